"""Which files of a workspace may be read, and why the others may not.

Ignored (`.gitignore`, `.foretypeignore`, at every level), generated, binary, too large, holding secrets by name,
outside of the workspace. Symbolic links are never followed: what they point to inside of the workspace is read under
its own name, and what is outside is out of bounds, so cycles cannot happen. Secrets by content are
`context/secrets.py`'s.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pathspec import GitIgnoreSpec

MAX_BYTES = 1 << 20  # of one file
MAX_ENTRIES = 200_000  # of one walk: what is nearest to the root is read, the rest is not
MAX_RULES = 1 << 16  # bytes of one ignore file

RULE_FILES = (".gitignore", ".foretypeignore", ".gitattributes")
# Folders of tools: no source of the workspace, whatever the ignore files say.
_TOOL_FOLDERS = {
    *(".git", ".hg", ".svn", ".jj", ".venv", ".tox", ".nox", "site-packages", "node_modules", "bower_components"),
    *("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".gradle", ".idea"),
}
_SECRET_NAME = re.compile(
    r"""(?:\.env(?:\..+)?|\.envrc|.+\.env
        |id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|.+\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|tfstate|tfvars)
        |[._]netrc|\.npmrc|\.pypirc|\.pgpass|\.htpasswd|\.git-credentials|\.dockercfg
        |credentials(?:\.json)?|client_secret.*\.json|service[_-]account.*\.json|secrets?\.(?:ya?ml|json|toml|ini))""",
    re.VERBOSE | re.IGNORECASE,
)
_NO_SECRET_NAME = re.compile(r"\.env\.(?:example|sample|template|dist)", re.IGNORECASE)
_GENERATED_NAME = re.compile(
    r"""(?:.+\.lock|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum|.+\.min\.(?:js|css|mjs)|.+\.(?:js|css)\.map
        |.+_pb2(?:_grpc)?\.pyi?|.+\.pb\.(?:go|cc|h)|.+\.(?:generated|designer)\.\w+)""",
    re.VERBOSE | re.IGNORECASE,
)
# Go's convention (golang.org/s/generatedcode), protoc's sentence, and the marks that code review tools look for.
_GENERATED_MARK = re.compile(rb"generated .{0,200}do not edit|[ *]@generated\b|<auto-?generated", re.IGNORECASE)
_HEAD = 8192  # bytes in which Git looks for a zero byte to tell binary from text
_LINE_BYTES = 300  # a file whose lines are longer than this on average was not written by hand


@dataclass(frozen=True)
class _Rules:
    """What the ignore files of one folder say, for paths relative to `folder` ("" or ending in "/")."""

    folder: str
    git: GitIgnoreSpec | None
    own: GitIgnoreSpec | None
    generated: GitIgnoreSpec | None


class Guard:
    """The rules of one workspace. `include`, where given, are the only folders to be read, relative to the root.

    Paths are relative to `root` with forward slashes. Ignore files are read anew at each walk. `refused` counts the
    files and folders left out by the last walk, by reason.
    """

    def __init__(self, root: str | Path, include: Collection[str] = ()) -> None:
        self.root = Path(os.path.realpath(root))
        self.include = tuple(folder.replace("\\", "/").strip("/") + "/" for folder in include)
        self.refused: Counter[str] = Counter()
        self._above = self._rules_above()
        self._chains: dict[str, tuple[_Rules, ...]] = {}

    def files(self, wanted: Callable[[str], bool] = lambda path: True) -> Iterator[tuple[str, os.stat_result]]:
        """The files that may be read, the ones nearest to the root first, as far as name and size tell.

        Others than `wanted(path)` are passed over without a look or a count. Folders that vanish or cannot be listed
        are left out.
        """
        self.refused.clear()
        self._chains.clear()
        folders = deque([""])
        entries = 0
        while folders:
            folder = folders.popleft()
            try:
                with os.scandir(os.path.join(self.root, folder)) as listing:
                    found = sorted(listing, key=lambda entry: entry.name)
            except OSError:
                self.refused["unreadable"] += 1
                continue
            names = {entry.name for entry in found}
            if "pyvenv.cfg" in names:
                self.refused["tool folder"] += 1
                continue
            chain = self._chain(folder, names)
            for entry in found:
                entries += 1
                if entries > MAX_ENTRIES:
                    self.refused["over the limit of files"] += 1
                    return
                path = folder + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if not is_folder and not wanted(path):
                    continue
                reason = _link(entry) or self._by_name(path, is_folder, chain)
                if reason:
                    self.refused[reason] += 1
                elif is_folder:
                    folders.append(path + "/")
                else:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if reason := _by_status(status):
                        self.refused[reason] += 1
                    else:
                        yield path, status

    def refusal(self, path: str) -> str:
        """Why the file at `path` may not be read, "" if it may; a file that is not there may."""
        full = self.root / path
        real = os.path.realpath(full)
        if not _inside(real, self.root):
            return "outside"
        path = Path(real).relative_to(self.root).as_posix()
        parts = path.split("/")
        for depth in range(len(parts)):
            folder = "".join(part + "/" for part in parts[:depth])
            here = folder + parts[depth]
            last = depth == len(parts) - 1
            if reason := self._by_name(here, not last, self._chain(folder)):
                return reason
        try:
            return _by_status(os.stat(real))
        except OSError:
            return ""

    def library_refusal(self, path: str, home: str) -> str:
        """As `refusal`, of a file of a library below the folder `home` of the workspace that packages lie in.

        No rule of Git's counts there, nor that it is a tool's folder; that of the user's own ignore files does.
        """
        real_home, real = os.path.realpath(self.root / home), os.path.realpath(self.root / path)
        if not _inside(real_home, self.root) or not _inside(real, Path(real_home)):
            return "outside"
        if self.include and not self._included(path, False):
            return "not included"
        if not _encodable(path):
            return "unreadable"
        folder = ""
        for part in path.split("/"):
            here = folder + part
            folder = here if here == path else here + "/"
            if _says(folder, self._chain(here[: -len(part)] if home.startswith(here) else ""), "own"):
                return "ignored"
        name = path.rpartition("/")[2]
        if _SECRET_NAME.fullmatch(name) and not _NO_SECRET_NAME.fullmatch(name):
            return "secret"
        try:
            return _by_status(os.stat(real))
        except OSError:
            return "no file"

    def _by_name(self, path: str, is_folder: bool, chain: tuple[_Rules, ...]) -> str:
        name = path.rpartition("/")[2]
        if not path.isascii() and not _encodable(path):
            return "unreadable"
        if is_folder and name in _TOOL_FOLDERS:
            return "tool folder"
        if self.include and not self._included(path + "/" if is_folder else path, is_folder):
            return "not included"
        if not is_folder and _SECRET_NAME.fullmatch(name) and not _NO_SECRET_NAME.fullmatch(name):
            return "secret"
        if not is_folder and _GENERATED_NAME.fullmatch(name):
            return "generated"
        tail = "/" if is_folder else ""
        if _says(path + tail, chain, "git") or _says(path + tail, chain, "own"):
            return "ignored"
        return "generated" if not is_folder and _says(path, chain, "generated") else ""

    def _included(self, path: str, is_folder: bool) -> bool:
        return path.startswith(self.include) or (is_folder and any(folder.startswith(path) for folder in self.include))

    def _chain(self, folder: str, names: Collection[str] | None = None) -> tuple[_Rules, ...]:
        """The rules that hold in a folder, the outermost first. `names`: what lies in it, where that is known."""
        known = self._chains.get(folder)
        if known is None:
            above = (
                self._chain(folder[:-1].rpartition("/")[0] + "/" if "/" in folder[:-1] else "")
                if folder
                else self._above
            )
            may_have = names is None or not set(RULE_FILES).isdisjoint(names)
            here = _read_rules(self.root / folder, folder, names) if may_have else None
            known = self._chains[folder] = (*above, here) if here else above
        return known

    def _rules_above(self) -> tuple[_Rules, ...]:
        """The rules of the folders above the root, as far up as the repository goes, and the repository's own."""
        folders = [self.root, *self.root.parents]
        top = next((at for at, folder in enumerate(folders) if (folder / ".git").exists()), None)
        if top is None:
            return ()
        prefixes = [_climb(self.root, folder) for folder in folders]
        exclude = _compile(_lines(folders[top] / ".git" / "info" / "exclude"))
        rules = [_Rules(prefixes[top], exclude, None, None)]
        rules += [found for at in range(top, 0, -1) if (found := _read_rules(folders[at], prefixes[at], None))]
        return tuple(rules)


def generated_name(path: str) -> bool:
    """Whether a file's name says that no person writes it: lock files, minified and generated code."""
    return _GENERATED_NAME.fullmatch(path.rpartition("/")[2]) is not None


def name_refusal(path: str) -> str:
    """Why a file of that path is read in no workspace, as far as names tell, "" if it may be; asks no ignore file."""
    *folders, name = path.split("/")
    if not _encodable(path):
        return "unreadable"
    if not _TOOL_FOLDERS.isdisjoint(folders):
        return "tool folder"
    if _SECRET_NAME.fullmatch(name) and not _NO_SECRET_NAME.fullmatch(name):
        return "secret"
    return "generated" if generated_name(path) else ""


def content_refusal(source: bytes) -> str:
    """Why a file of these bytes is not worth reading or may not be: "binary", "generated", "large", or ""."""
    if len(source) > MAX_BYTES:
        return "large"
    head = source[:_HEAD]
    if b"\0" in head:
        return "binary"
    if _is_marked(source[:1024]):
        return "generated"
    return "generated" if len(source) > 4096 and _has_long_lines(source) else ""


def _has_long_lines(source: bytes) -> bool:
    """Whether lines have more than `_LINE_BYTES` on average; a quarter of them mostly tells that they have not."""
    least = len(source) / _LINE_BYTES  # line ends, and one more
    return all(source.count(b"\n", 0, end) + 1 < least for end in (len(source) // 4, len(source)))


@lru_cache(maxsize=512)  # versions of a file begin alike
def _is_marked(head: bytes) -> bool:
    return _GENERATED_MARK.search(head) is not None


def _by_status(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "no file"
    return "large" if status.st_size > MAX_BYTES else ""


def _link(entry: os.DirEntry[str]) -> str:
    """ "link" for a symbolic link, or a junction on Windows, which `is_symlink` does not tell."""
    if entry.is_symlink():
        return "link"
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) if os.name == "nt" else 0
    return "link" if tag and tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None) else ""


def _says(path: str, chain: tuple[_Rules, ...], kind: str) -> bool:
    """Whether the innermost folder with an opinion says that the path matches."""
    for rules in reversed(chain):
        spec: GitIgnoreSpec | None = getattr(rules, kind)
        if spec is None:
            continue
        # folders above the root have a prefix that leads down to it ("+sub/"), those below one that the path has
        below = rules.folder[1:] + path if rules.folder.startswith("+") else path[len(rules.folder) :]
        verdict = spec.check_file(below).include
        if verdict is not None:
            return verdict
    return False


def _read_rules(folder: Path, prefix: str, names: Collection[str] | None) -> _Rules | None:
    git, own, attributes = (_lines(folder / name) if names is None or name in names else [] for name in RULE_FILES)
    rules = _Rules(prefix, _compile(git), _compile(own), _compile(_generated_lines(attributes)))
    return rules if rules.git or rules.own or rules.generated else None


def _compile(lines: list[str]) -> GitIgnoreSpec | None:
    """The patterns, None if there are none; one that is broken spoils only itself, as in Git."""
    if not lines:
        return None
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        good = []
        for line in lines:
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError:
                continue
            good.append(line)
        return GitIgnoreSpec.from_lines(good) if good else None


def _generated_lines(lines: list[str]) -> list[str]:
    """The patterns of `.gitattributes` that set or unset `linguist-generated`, as ignore patterns."""
    patterns = []
    for line in lines:
        pattern, *attributes = line.split()[:20] or [""]
        for attribute in attributes:
            name, _, value = attribute.lstrip("-!").partition("=")
            if name == "linguist-generated" and not pattern.startswith("#"):
                off = attribute[0] in "-!" or value in ("false", "0")
                patterns.append("!" + pattern if off else pattern)
    return patterns


def _lines(path: Path) -> list[str]:
    """The lines of a file, none where there is no such file (or a pipe, which would never end)."""
    try:
        if not path.is_file():
            return []
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read(MAX_RULES).splitlines()
    except OSError:
        return []


def _climb(root: Path, folder: Path) -> str:
    """ "+" and the way from a folder above the root down to it, with a slash at its end."""
    down = root.relative_to(folder).as_posix()
    return "+" if down == "." else f"+{down}/"


def _inside(real: str, root: Path) -> bool:
    try:
        Path(real).relative_to(root)
    except ValueError:
        return False
    return True


def _encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True

"""Typing traces from a git history: what a developer did in a commit, as files, moves and keys.

A trace begins at some key of the commit, chosen by the seed among all that were typed in it, at the start of a line,
and what was done before it stands in the files already. So a limit on keys does not make every trace one of a file's
imports. Merges, files that are generated, minified, locked, too large or not in the wanted languages, and commits with
too little typing are left out; a commit that deletes files adds none, since those may have been renamed. A change that
the commit has made before was done by a command (replace all, paste), as are those of white space alone.

Reads through GitPython's plumbing: one process for all objects of a repository, one for each `_BATCH` commits. Bare
repositories do. Knows no protocol and no model; runs nothing of the repository.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import git

from foretype.context import languages
from foretype.context.guard import content_refusal, generated_name
from foretype.eval.typing import keystrokes
from foretype.eval.typing.buffer import Buffer, behind
from foretype.eval.typing.keystrokes import Key, Piece

MAX_KEYS = 64
FEWEST_CHARACTERS = 20
# Nobody typed more in one commit.
MOST_KEYS = 20_000
LARGEST_BYTES = 256 * 1024
# Nobody types so many characters again that are there already.
_PASTED = 20
# Files of the commit that were done before the trace begins and are still open.
_OPEN = 4
_BATCH = 64
_ABSENT = "0" * 40


class HistoryError(Exception):
    """A repository gives no traces. The message tells a user what to do."""


@dataclass(frozen=True)
class File:
    """A file as the trace finds it; `language` is an LSP language identifier."""

    path: str
    language: str
    text: str


@dataclass(frozen=True)
class Open:
    """A file is opened: one of the trace's `files`."""

    path: str
    pause_ms: float


@dataclass(frozen=True)
class Move:
    """The cursor goes to a place (0-based, `column` in characters) without typing."""

    path: str
    line: int
    column: int
    pause_ms: float


@dataclass(frozen=True)
class Change:
    """A change at one stroke. `is_key`: text was selected and deleted, which is an opportunity; otherwise a command of
    the editor did it, which is none."""

    path: str
    line: int
    column: int
    removed: str
    inserted: str
    is_key: bool
    pause_ms: float


@dataclass(frozen=True)
class Insert:
    """Text is typed at a place, each key of it an opportunity."""

    path: str
    line: int
    column: int
    keys: tuple[Key, ...]

    @property
    def text(self) -> str:
        return "".join(key.text for key in self.keys)


Step = Open | Move | Change | Insert


@dataclass(frozen=True)
class Trace:
    """What was typed in (a part of) a commit. `language` is that of most of its keys, `parent` the commit whose tree
    the workspace holds."""

    repository: str
    commit: str
    parent: str
    language: str
    files: tuple[File, ...]
    steps: tuple[Step, ...]

    @property
    def keys(self) -> int:
        """How many keys there are in it, each an opportunity."""
        return sum(_keys_of(step) for step in self.steps)


def traces(
    repository: Path,
    commits: int,
    seed: int = 7,
    *,
    since: str = "",
    until: str = "",
    wanted: Collection[str] = (),
    max_keys: int = MAX_KEYS,
) -> Iterator[Trace]:
    """Up to `commits` traces, in an order that the seed decides, so that fewer of them are a sample of more.

    `since` and `until` are dates as git reads them. `wanted` are languages by their names in `context/languages.py`;
    none means all that have a grammar. Raises `HistoryError`.
    """
    with opened(repository) as repo:
        order = _commits(repo, since, until)
        Random(seed).shuffle(order)
        found = 0
        for start in range(0, len(order), _BATCH):
            for commit, changed in _changes(repo, order[start : start + _BATCH]):
                if found == commits:
                    return
                trace = _trace(repo, _name(repository), commit, changed, wanted, max_keys, seed)
                if trace:
                    found += 1
                    yield trace


def opened(repository: Path) -> git.Repo:
    """The repository, bare or not. Raises `HistoryError`."""
    try:
        repo = git.Repo(repository)
        # without it, git refuses bare ones where `safe.bareRepository` is "explicit"
        repo.git.set_persistent_git_options(git_dir=str(repo.git_dir))
        return repo
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        raise HistoryError(f"{repository} is no git repository: give the folder of a clone") from error


@dataclass(frozen=True)
class _Changed:
    """A file of a commit: blobs before and after, `_ABSENT` where there is none."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class _Typed:
    """A file of a commit and what was typed into it."""

    file: File
    pieces: tuple[Piece, ...]


def _name(repository: Path) -> str:
    """The last part of its path that says something."""
    parts = [part.removesuffix(".git") for part in repository.resolve().parts]
    return next((part for part in reversed(parts) if part not in ("", "repo")), "repository")


def _commits(repo: git.Repo, since: str, until: str) -> list[str]:
    """Commits with exactly one parent, reachable from HEAD."""
    limits = [f"--{name}={date}" for name, date in (("since", since), ("until", until)) if date]
    try:
        listed = repo.git.rev_list("--min-parents=1", "--max-parents=1", *limits, "HEAD", "--")
    except git.GitCommandError as error:
        raise HistoryError(f"the history of {repo.git_dir} cannot be read: {str(error.stderr).strip()}") from error
    return str(listed).split()


def _changes(repo: git.Repo, commits: list[str]) -> Iterator[tuple[str, list[_Changed]]]:
    """The regular files that each commit changed (git-diff-tree(1), "Raw output format")."""
    process = repo.git.diff_tree(
        "--stdin", "-r", "-z", "--no-renames", "--diff-filter=AMD", istream=subprocess.PIPE, as_process=True
    )
    out, _ = process.proc.communicate("".join(f"{commit}\n" for commit in commits).encode())
    fields = iter(out.decode("utf-8", "replace").split("\0"))
    commit, changed = "", list[_Changed]()
    for field in fields:
        if field.startswith(":"):
            _, mode, before, after, _ = field[1:].split()
            path = next(fields)
            if mode.startswith("100") or after == _ABSENT:
                changed.append(_Changed(path, before, after))
        else:
            if changed:
                yield commit, changed
            commit, changed = field, []


def _trace(
    repo: git.Repo,
    name: str,
    commit: str,
    changed: list[_Changed],
    wanted: Collection[str],
    max_keys: int,
    seed: int,
) -> Trace | None:
    """The trace of a commit, None where too little of it is typing."""
    deletes = any(file.after == _ABSENT for file in changed)
    typed = []
    for file in changed:
        if file.after != _ABSENT and not (deletes and file.before == _ABSENT):
            typed += [found for found in (_typed(repo, file, wanted),) if found]
    typed = _replaced(typed)
    inserted = sum(len(piece.inserted.strip()) for file in typed for piece in file.pieces if piece.typed)
    total = sum(_keys(piece) for file in typed for piece in file.pieces)
    if inserted < FEWEST_CHARACTERS or total > MOST_KEYS:
        return None
    random = Random(f"{seed}:{commit}")
    begin = random.randrange(max(0, total - (max_keys or total)) + 1)
    typed = _begun(typed, begin)
    at = next(at for at, file in enumerate(typed) if file.pieces)
    typed = typed[max(0, at - _OPEN) :]
    steps = tuple(_limited(_steps(typed, random), max_keys) if max_keys else _steps(typed, random))
    count: Counter[str] = Counter()
    by_path = {file.file.path: file.file for file in typed}
    for step in steps:
        count[by_path[step.path].language] += _keys_of(step)
    opened = [by_path[step.path] for step in steps if isinstance(step, Open)]
    return Trace(name, commit, f"{commit}^", count.most_common(1)[0][0], tuple(opened), steps)


def _typed(repo: git.Repo, changed: _Changed, wanted: Collection[str]) -> _Typed | None:
    """None where the file is none that anybody writes, or nothing but white space changed in it."""
    language = languages.find("", changed.path)
    if language is None or not (language.name in wanted if wanted else language.grammar):
        return None
    if generated_name(changed.path):
        return None
    old, new = (_text(repo, blob) for blob in (changed.before, changed.after))
    if old is None or new is None:
        return None
    pieces = tuple(keystrokes.pieces(old, new))
    if not any(piece.typed for piece in pieces):
        return None
    return _Typed(File(changed.path, language.ids[0], old), pieces)


def _text(repo: git.Repo, blob: str) -> str | None:
    """A file's text; None where it is nobody's work or has line ends of another system."""
    if blob == _ABSENT:
        return ""
    _, _, size, stream = repo.git.stream_object_data(blob)
    source = stream.read()
    if size > LARGEST_BYTES or content_refusal(source):
        return None
    try:
        text = str(source, "utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\r" in text else text


def _replaced(typed: Iterable[_Typed]) -> list[_Typed]:
    """The same, but what replaces the same by the same as before, or adds as much text, is not typed again."""
    seen: set[tuple[str, str]] = set()
    files = []
    for file in typed:
        pieces = []
        for piece in file.pieces:
            change = piece.removed, piece.inserted
            worth = piece.removed or len(piece.inserted) >= _PASTED
            pieces.append(replace(piece, typed=piece.typed and not (worth and change in seen)))
            seen.add(change)
        files.append(replace(file, pieces=tuple(pieces)))
    return files


def _begun(typed: Iterable[_Typed], begin: int) -> list[_Typed]:
    """The same files with what was done before key `begin` in their texts; begun at the start of that key's line."""
    left: list[_Typed] = []
    for file in typed:
        text, pieces = file.file.text, list(file.pieces)
        while pieces and (keys := _keys(pieces[0])) <= begin:
            begin -= keys
            text = _applied(text, pieces.pop(0))
        if begin and pieces:
            text, pieces[0] = _split(text, pieces[0], begin)
            begin = 0
        left.append(_Typed(replace(file.file, text=text), tuple(pieces)))
        if pieces:
            begin = 0
    return left


def _split(text: str, piece: Piece, begin: int) -> tuple[str, Piece]:
    """The text with a piece done up to the end of the line before its key `begin`, and the rest of the piece."""
    done = "".join(keystrokes.keys(piece.inserted)[: begin - bool(piece.removed)])
    line = done.rfind("\n")
    if line < 0:
        return text, piece
    text = _applied(text, replace(piece, inserted=piece.inserted[:line]))
    return text, Piece(piece.offset + line, "", piece.inserted[line:])


def _steps(typed: Iterable[_Typed], random: Random) -> Iterator[Step]:
    """Files in order, opened when their turn comes; those that are done already stand open from the start."""
    for file in typed:
        path, buffer = file.file.path, Buffer(file.file.text)
        yield Open(path, keystrokes.place_pause(random) if file.pieces else 0.0)
        for piece in file.pieces:
            before = buffer.text[: piece.offset]
            line, column = behind(0, 0, before)
            buffer.change(line, column, piece.removed, piece.inserted)
            if not piece.typed:
                yield Change(path, line, column, piece.removed, piece.inserted, False, 0.0)
                continue
            yield Move(path, line, column, keystrokes.place_pause(random))
            if piece.removed:
                yield Change(path, line, column, piece.removed, "", True, keystrokes.key_pause(random))
            if piece.inserted:
                yield Insert(path, line, column, keystrokes.rhythm(before, keystrokes.keys(piece.inserted), random))


def _limited(steps: Iterable[Step], most: int) -> Iterator[Step]:
    """The steps with the first `most` keys."""
    for step in steps:
        if most <= 0:
            return
        if isinstance(step, Insert) and len(step.keys) > most:
            step = replace(step, keys=step.keys[:most])
        most -= _keys_of(step)
        yield step


def _keys(piece: Piece) -> int:
    """How many keys a piece takes."""
    return bool(piece.removed) + len(keystrokes.keys(piece.inserted)) if piece.typed else 0


def _keys_of(step: Step) -> int:
    match step:
        case Insert():
            return len(step.keys)
        case Change():
            return int(step.is_key)
    return 0


def _applied(text: str, piece: Piece) -> str:
    return text[: piece.offset] + piece.inserted + text[piece.offset + len(piece.removed) :]

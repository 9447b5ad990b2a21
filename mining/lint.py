"""Rows in which a developer does what a linter asks for: a diagnostic that a hunk's old lines have and that is gone.

One adapter a linter; `Ruff` is the one for Python. A linter gets many files at once, since starting it costs more than
a file does. The rules are named here and not left to the linter, so that its next version mines the same rows. Does not
know whether the developer ever saw the diagnostic.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from foretype.context.rows import Diagnostic, EditRow, Origin
from foretype.mining import split
from foretype.mining.candidate import RowFilter, name
from foretype.mining.commit import FileTexts, Hunk
from foretype.mining.filters import Note
from foretype.mining.touched import TOKEN, lines_between

_ALIKE = 0.5  # what old and new lines share of their tokens (Dice)
_APART = 5  # lines to the next hunk
_WIDEST = 5  # lines of a hunk on either side: of a longer one nobody knows what it was for
_BATCH = 200  # files a process
_TIMEOUT_S = 120.0
# Errors and likely bugs, and idioms that are replaced line by line; nothing about layout, which formatters see to.
RULES = ("B", "C4", "E4", "E7", "E9", "F", "PIE", "SIM", "UP")
# Types spelled as newer versions of Python can: where such a line changes, it is seldom for that.
_IGNORED = ("UP006", "UP007", "UP035", "UP045")
_USELESS = {"F401", "F811", "F841", "UP010", "PIE790"}  # unused imports and names, what changes nothing
_NOT_RULES = {None, "invalid-syntax"}


class LintError(Exception):
    """A linter cannot be run. The message tells a user what to do."""


@dataclass(frozen=True)
class Edit:
    """Text from `start` to `end`, each a line and a character in it (0-based), gives way to `content`."""

    start: tuple[int, int]
    end: tuple[int, int]
    content: str


@dataclass(frozen=True)
class Finding:
    """What a linter says of the lines `line` to `end_line` (0-based, inclusive), and how it would mend it by itself,
    safely or not; `fix` is empty where it cannot."""

    line: int
    end_line: int
    code: str
    message: str
    fix: tuple[Edit, ...] = ()


class Linter(Protocol):
    """Gives for each source, a path and a text, its findings in the order of their places. Raises `LintError`."""

    name: str
    language: str

    def check(self, sources: Sequence[tuple[str, str]]) -> list[list[Finding]]: ...


class Ruff:
    """Ruff's command line, with no settings but ours and without its cache."""

    name = "ruff"
    language = "python"

    def check(self, sources: Sequence[tuple[str, str]]) -> list[list[Finding]]:
        return [found for at in range(0, len(sources), _BATCH) for found in self._batch(sources[at : at + _BATCH])]

    def _batch(self, sources: Sequence[tuple[str, str]]) -> list[list[Finding]]:
        with tempfile.TemporaryDirectory(prefix="foretype-lint-") as folder:
            numbers = {}
            for number, (path, text) in enumerate(sources):
                name = PurePosixPath(path).name
                # rules look at the names of packages' own files and of stubs, and at no other
                file = Path(folder, str(number), name if name in ("__init__.py", "__main__.py") else f"m{path[-4:]}")
                file = file if file.suffix in (".py", ".pyi") else file.with_name("m.py")
                file.parent.mkdir()
                file.write_bytes(text.encode("utf-8", "replace"))
                numbers[number] = file
            rows = json.loads(_ruff(folder))
        found: list[list[Finding]] = [[] for _ in sources]
        for row in rows:
            if row["code"] not in _NOT_RULES:
                line, end = row["location"]["row"] - 1, row["end_location"]["row"] - 1
                number = int(Path(row["filename"]).parent.name)
                found[number].append(Finding(line, end, row["code"], row["message"], tuple(_edits(row["fix"]))))
        return [sorted(findings, key=lambda finding: (finding.line, finding.code)) for findings in found]


LINTERS: tuple[Linter, ...] = (Ruff(),)


def rows(
    files: Sequence[tuple[FileTexts, Origin]], linter: Linter, seed: int = 0, reject: Note | None = None
) -> Iterator[EditRow]:
    """The rows of many files, of one commit or of several, in one call of the linter. Each `Origin` is completed by
    path and language; `seed` places the windows; `reject` is told what `FIXED` leaves out. Raises `LintError`."""
    chosen = [(file, origin) for file, origin in files if file.language.name == linter.language and _small(file)]
    sources = [(file.path, text) for file, _ in chosen for text in (file.before, file.after)]
    found = linter.check(sources)
    for (file, origin), before, after in zip(chosen, found[::2], found[1::2], strict=True):
        for hunk in _small(file):
            if (fixed := _fixed(hunk, before, after)) and _is_for(fixed, hunk) and _stands_alone(file, hunk):
                if reason := fixed_otherwise(fixed, hunk):
                    if reject:
                        reject(name(FIXED), file.path, reason)
                    continue
                key = f"{seed} {origin.commit} {file.path} {hunk.old_start}"
                row = split.single(file, hunk, origin, key, "lint")
                said = tuple(Diagnostic(file.path, at.line, linter.name, at.code, at.message) for at in fixed)
                if row:
                    yield replace(row, diagnostics=said)


def _fixed(hunk: Hunk, before: Sequence[Finding], after: Sequence[Finding]) -> list[Finding]:
    """What the file is rid of, and begins in the hunk's old lines; nothing where the new lines have findings of their
    own, for then the hunk is no fix."""
    end, new_end = hunk.old_start + len(hunk.old), hunk.new_start + len(hunk.new)
    if any(hunk.new_start <= at.line < new_end for at in after):
        return []
    left = Counter((at.code, at.message) for at in after)
    had = Counter((at.code, at.message) for at in before)
    return [
        at for at in before if hunk.old_start <= at.line < end and left[at.code, at.message] < had[at.code, at.message]
    ]


def _is_for(fixed: Sequence[Finding], hunk: Hunk) -> bool:
    """Whether a hunk is there for what was found: all of its old lines are spoken of, and what takes their place is
    like them; lines go altogether only where they are said to be of no use."""
    spoken_of = {line for at in fixed for line in range(at.line, at.end_line + 1)}
    if not all(line in spoken_of for line, text in enumerate(hunk.old, hunk.old_start) if text.strip()):
        return False
    old, new = (Counter(TOKEN.findall("\n".join(side))) for side in (hunk.old, hunk.new))
    if not new:
        return all(at.code in _USELESS for at in fixed)
    return 2 * (old & new).total() >= _ALIKE * (old.total() + new.total())


def fixed_otherwise(fixed: Sequence[Finding], hunk: Hunk) -> str | None:
    """Hunks that do something else than the linter would by itself, where it has a fix of what it found: the diagnostic
    went away by accident, and another edit would be taught for it (1 of 7 rows read, `eval/reading`). Kept where the
    linter has no fix, or one of its fixes, or all of them, gives the hunk's tokens."""
    fixes = [at.fix for at in fixed if at.fix]
    wanted = _tokens("\n".join(hunk.new))
    if not fixes or any(_tokens(_mended(hunk, one)) == wanted for one in (*fixes, sum(fixes, ()))):
        return None
    return f"not what {' or '.join(sorted({at.code for at in fixed if at.fix}))} asks for"


FIXED = RowFilter(fixed_otherwise)


def _mended(hunk: Hunk, fix: Sequence[Edit]) -> str:
    """The hunk's old lines after those edits of a fix that begin in them; of two that overlap the later one."""
    lines = [line + "\n" for line in hunk.old]
    starts = list(accumulate(map(len, lines), initial=0))
    text, limit = "".join(lines), starts[-1]

    def offset(place: tuple[int, int]) -> int:
        line = place[0] - hunk.old_start
        return starts[line] + place[1] if line < len(lines) else starts[-1]

    for edit in sorted(fix, key=lambda edit: edit.start, reverse=True):
        if hunk.old_start <= edit.start[0] < hunk.old_start + len(lines) and offset(edit.end) <= limit:
            limit = offset(edit.start)
            text = text[:limit] + edit.content + text[offset(edit.end) :]
    return text


def _tokens(text: str) -> list[str]:
    """Without what formatters change."""
    return [token for token in TOKEN.findall(text.replace("'", '"')) if token != ","]


def _edits(fix: dict[str, Any] | None) -> Iterator[Edit]:
    for edit in fix["edits"] if fix else ():
        start, end = ((at["row"] - 1, at["column"] - 1) for at in (edit["location"], edit["end_location"]))
        yield Edit(start, end, edit["content"])


def _stands_alone(file: FileTexts, hunk: Hunk) -> bool:
    """Whether no other hunk is so near that it may be the other half of the fix."""
    return all(other is hunk or lines_between(other, hunk) > _APART for other in file.hunks)


def _small(file: FileTexts) -> list[Hunk]:
    return [hunk for hunk in file.hunks if hunk.old and max(len(hunk.old), len(hunk.new)) <= _WIDEST]


def _ruff(folder: str) -> bytes:
    # -P: a ruff.py in the current folder must not run
    command = [sys.executable, "-P", "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero", "--quiet"]
    command += ["--output-format", "json", "--target-version", "py311", "--select", ",".join(RULES)]
    command += ["--ignore", ",".join(_IGNORED), "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, cwd=folder, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise LintError(f"ruff does not answer in {_TIMEOUT_S:.0f} s; mine without lint pairs") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit status {done.returncode}"
        raise LintError(f"ruff cannot be run ({reason}); install ruff, or mine without lint pairs")
    return done.stdout

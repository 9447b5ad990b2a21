"""From one repository's history to rows: what survives the filters, grouped, ordered, cut and checked once more.

The rows depend on the commits and the options alone: neither on where the repository lies nor on what it is called, so
that a fork's commits give the same rows. Linters are asked about many commits at once. Does not write anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from foretype.context import rows
from foretype.context.rows import EditRow, FimRow, Origin, Row
from foretype.mining import completions, leaks, lint, relate, row_filters, split
from foretype.mining.commit import FileTexts
from foretype.mining.config import Config
from foretype.mining.filters import Tally
from foretype.mining.git import History
from foretype.mining.lint import LINTERS
from foretype.mining.survivors import Survivor, survivors
from foretype.mining.touched import touched

_AT_ONCE = 100  # commits whose files a linter is asked about together
_KEY_FILE = "PRIVATE KEY-----"  # whose lines look like nothing where its first one is not shown


def mine(history: History, licence: str, config: Config, tally: Tally) -> Iterator[Row]:
    """All rows of a history, newest commits first; `tally` counts what was left out. Raises `LintError`."""
    found = survivors(history, config, tally)
    while batch := list(islice(found, _AT_ONCE)):
        origins = [_origin(one, licence) for one in batch]
        for one, origin in zip(batch, origins, strict=True):
            yield from checked(commit_rows(one, origin, config), tally)
        if config.lint:
            files = [(file, origin) for one, origin in zip(batch, origins, strict=True) for file in _open(one)]
            for linter in LINTERS:
                yield from checked(lint.rows(files, linter, config.seed, tally.reject), tally)


def commit_rows(one: Survivor, origin: Origin, config: Config) -> Iterator[Row]:
    """The rows of one commit that need no linter."""
    files = _open(one)
    shares = split.Shares(config.half_typed_share, config.done_share, config.left_alone_share)
    # all hunks of a renaming are one group, which is not for the scores of pairs to find
    whole = one.renames or not config.grouping
    groups = [touched(files, one.trees)] if whole else relate.groups(files, one.commit.message, one.trees)
    for number, group in enumerate(groups):
        why = (f"group {number + 1} of {len(groups)}", f"{len(group)} hunks" if len(group) > 1 else "1 hunk")
        key = f"{config.seed} {one.commit.sha} {number}"
        label: rows.Label = "rename" if one.renames else "edit"
        yield from split.rows(files, group, replace(origin, why=why), key, label, shares)
    for file in files if config.completions and not one.renames else ():
        key = f"{config.seed} {one.commit.sha} {file.path}"
        yield from completions.rows(file, origin, key, config.completions, one.trees.get(file.path))


def lines(row: Row) -> list[str]:
    """All text of a row, as its lines."""
    if isinstance(row, FimRow):
        return [*(row.prefix + row.middle + row.suffix).split("\n"), row.origin.path]
    said = [line[1:] for diff in row.history for line in diff.diff.split("\n")]
    said += [f"{at.path} {at.message}" for at in row.diagnostics]
    return [*said, *row.window.lines, *_after(row), row.origin.path]


def gist(row: Row) -> str:
    """What a row teaches, for finding others that teach the same: the class, what is written, and what is around it."""
    if isinstance(row, FimRow):
        return f"fim\n{row.prefix[-_AROUND:]}{row.middle}{row.suffix[:_AROUND]}"
    last = row.history[-1].diff.partition("\n")[2] if row.history else ""  # without the numbers of its lines
    return "\n".join((row.label, last, *_after(row)))


_AROUND = 160  # characters on either side of a hole


def _after(row: EditRow) -> list[str]:
    """The window's lines once the target is done."""
    shown, start = list(row.window.lines), row.window.start
    if row.target:
        shown[row.target.start - start : row.target.stop - start] = row.target.lines
    return shown


def checked(found: Iterator[Row], tally: Tally) -> Iterator[Row]:
    """The rows that the filters of rows keep, without those that show a secret: a window holds more lines than those
    that the filters of commits and files saw."""
    for row in row_filters.passing(found, tally):
        if kind := leaks.kind(lines(row)):
            tally.reject("rows_with_secrets", row.origin.path, f"a row that shows a secret ({kind})")
        else:
            yield row


def _open(one: Survivor) -> list[FileTexts]:
    return [file for file in one.files if _KEY_FILE not in file.before and _KEY_FILE not in file.after]


def _origin(one: Survivor, licence: str) -> Origin:
    commit = one.commit
    return Origin(commit.repository, commit.sha, commit.time, licence, "", "")

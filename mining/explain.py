"""What becomes of one commit, and why: which filters left out what, how its hunks were grouped, which rows it gives.

Does not know of other commits' rows, so it cannot say whether one of them is a near-duplicate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foretype.context.rows import FimRow, Row
from foretype.mining import lint, pairs, row_filters
from foretype.mining.candidate import name, source
from foretype.mining.commit import Commit
from foretype.mining.commit_filters import REVERTS
from foretype.mining.config import Config
from foretype.mining.filters import FILTERS, Tally
from foretype.mining.git import History
from foretype.mining.licence import licences, refusal
from foretype.mining.parts import row_class
from foretype.mining.sources import Source
from foretype.mining.survivors import pathspecs

_SOURCES = {name(one): source(one) for one in (*FILTERS, *row_filters.FILTERS, lint.FIXED)}


class ExplainError(Exception):
    """There is no such commit. The message tells a user what to do."""


@dataclass(frozen=True)
class LeftOut:
    """A file that a filter left out, "" for all of the commit, and the reason."""

    filter: str
    path: str
    reason: str


@dataclass(frozen=True)
class Explanation:
    commit: Commit
    refused: str
    left_out: tuple[LeftOut, ...]
    rows: tuple[Row, ...]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "repository": self.commit.repository,
            "commit": self.commit.sha,
            "refused": self.refused,
            "left_out": [asdict(one) for one in self.left_out],
            "rows": [
                {
                    "id": row.id,
                    "class": row_class(row),
                    "path": row.origin.path,
                    "line": _line(row),
                    "why": row.origin.why,
                }
                for row in self.rows
            ],
        }

    def text(self) -> str:
        """For people."""
        commit = self.commit
        said = [f"{commit.repository} {commit.sha[:12]} {commit.subject}", ""]
        if self.refused:
            said += [f"The repository is left out: {self.refused}. Otherwise:", ""]
        for one in self.left_out:
            said += [f"left out: {one.path or 'the commit'}, by {one.filter}: {one.reason}"]
            said += [f"    {_SOURCES[one.filter]}"] if one.filter in _SOURCES else []
        for row in self.rows:
            line = _line(row)
            place = row.origin.path if line is None else f"{row.origin.path}:{line + 1}"
            why = f"a hole of {len(row.middle)} characters" if isinstance(row, FimRow) else ", ".join(row.origin.why)
            said.append(f"row {row.id}: {row_class(row)}, {place} ({why})")
        return "\n".join(said if self.left_out or self.rows else [*said, "no row: no group of it fits"]) + "\n"


def explain(sources: Sequence[Source], sha: str, config: Config) -> Explanation:
    """What becomes of a commit, given by its id or the first digits of it. Raises `ExplainError`, `GitError`."""
    if not re.fullmatch(r"[0-9a-f]{4,64}", sha):
        raise ExplainError(f"{sha!r} is no commit's id: give four or more of its digits")
    for one in sources:
        with _OneCommit(one.path, one.name, pathspecs(config)) as history:
            history.sha = sha
            left_out: list[LeftOut] = []

            def note(filter_name: str, path: str, reason: str) -> None:
                if history.found:
                    left_out.append(LeftOut(filter_name, path, reason))  # noqa: B023

            found = licences(history)
            rows = list(pairs.mine(history, ", ".join(found), config, Tally(note)))
            if history.found:
                return Explanation(history.found, refusal(found, config.licences), tuple(left_out), tuple(rows))
    raise ExplainError(f"no commit {sha} in the history of HEAD, in none of the repositories")


class _OneCommit(History):
    """A history of one commit, and of those that took it back, which the filters have to have seen."""

    sha = ""
    found: Commit | None = None

    def commits(self, first_parent: bool = False) -> Iterator[Commit]:
        for commit in super().commits(first_parent):
            if commit.sha.startswith(self.sha):
                self.found = commit
                yield commit
                return
            if any(
                taken.startswith(self.sha) or self.sha.startswith(taken) for taken in REVERTS.findall(commit.message)
            ):
                yield commit


def _line(row: Row) -> int | None:
    if isinstance(row, FimRow):
        return None
    return row.target.start if row.target else row.window.start

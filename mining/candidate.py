"""A commit on its way through the filters, and what a filter is.

A candidate is filled stage by stage, each dearer than the one before: words, file names, hunks, texts, syntax trees. A
filter may look at what its stage and those before it have filled, and at nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from foretype.context.languages import Language
from foretype.mining.blobs import EMPTY, Blob
from foretype.mining.commit import Commit, Hunk
from foretype.mining.config import Config
from foretype.mining.git import Change
from foretype.mining.trees import Trees


class Stage(enum.IntEnum):
    """What a filter needs, by cost. `SECRETS` is last because searching for them is the slowest."""

    WORDS = 0
    NAMES = 1
    HUNKS = 2
    TEXTS = 3
    SYNTAX = 4
    SECRETS = 5


@dataclass
class ChangedFile:
    """One source file of a candidate: `hunks` from `Stage.HUNKS` on, texts from `TEXTS`, trees from `SYNTAX`.

    `problem` is why the hunks or texts could not be read.
    """

    change: Change
    language: Language
    hunks: tuple[Hunk, ...] = ()
    before: Blob = EMPTY
    after: Blob = EMPTY
    trees: Trees | None = None
    problem: str = ""

    @property
    def path(self) -> str:
        return self.change.path

    @cached_property
    def removed(self) -> list[str]:
        """The lines of all hunks' old sides."""
        return [line for hunk in self.hunks for line in hunk.old]

    @cached_property
    def added(self) -> list[str]:
        """The lines of all hunks' new sides."""
        return [line for hunk in self.hunks for line in hunk.new]

    @cached_property
    def removed_code(self) -> list[str]:
        """`removed` without white space around the lines, and without blank ones."""
        return [code for line in self.removed if (code := line.strip())]

    @cached_property
    def added_code(self) -> list[str]:
        return [code for line in self.added if (code := line.strip())]

    @property
    def changed_chars(self) -> int:
        """How many characters of lines were added and removed, indentation not counted."""
        return sum(map(len, self.removed_code)) + sum(map(len, self.added_code))


@dataclass
class Candidate:
    """`changes` are all files of the commit, `files` those that are source and still in it. `reverted`: a later commit
    took it back. `renames`: its hunks are one renaming, which is a class of its own."""

    commit: Commit
    reverted: bool = False
    changes: list[Change] = field(default_factory=list)
    files: list[ChangedFile] = field(default_factory=list)
    renames: bool = False


class CommitFilter(NamedTuple):
    """Leaves out whole commits: `check` says why, or None."""

    stage: Stage
    check: Callable[[Candidate, Config], str | None]


class FileFilter(NamedTuple):
    """Leaves out single files of a commit: `check` says why, or None. A commit without files is left out by it."""

    stage: Stage
    check: Callable[[ChangedFile, Config], str | None]


Filter = CommitFilter | FileFilter


class RowFilter(NamedTuple):
    """Leaves out single rows, once a commit is cut into them: `check` says why, or None. What it is given is its
    module's matter."""

    check: Callable[..., str | None]


def name(one: Filter | RowFilter) -> str:
    """What a filter is called in manifests."""
    return one.check.__name__


def source(one: Filter | RowFilter) -> str:
    """What a filter leaves out and where that comes from."""
    return " ".join((one.check.__doc__ or "").split())

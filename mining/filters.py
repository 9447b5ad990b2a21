"""All filters, ordered by what they cost, and how a candidate goes through those of one stage.

First what is said of the commit, then names and sizes, then hunks, texts, syntax trees, and secrets at last. The counts
say for each filter how many commits or files it left out, of those that the filters before it had kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from foretype.mining import commit_filters, file_filters, leaks, syntax_filters
from foretype.mining.candidate import Candidate, ChangedFile, CommitFilter, FileFilter, Filter, Stage, name
from foretype.mining.config import Config


def secrets(file: ChangedFile, config: Config) -> str | None:
    """Changes that add or remove a line in which one of `detect-secrets`' detectors finds a secret: keys and tokens by
    shape, quoted random values by entropy, quoted values beside a telling name."""
    kind = leaks.detected((*file.added, *file.removed))
    return f"a secret ({kind})" if kind else None


FILTERS: tuple[Filter, ...] = (
    *commit_filters.WORDS,
    *commit_filters.NAMES,
    *file_filters.NAMES,
    *commit_filters.SOURCES,
    *file_filters.HUNKS,
    *commit_filters.HUNKS,
    *file_filters.SECRETS,
    *file_filters.TEXTS,
    *syntax_filters.SYNTAX,
    FileFilter(Stage.SECRETS, secrets),
)
BY_STAGE = {stage: tuple(one for one in FILTERS if one.stage is stage) for stage in Stage}
NO_FILES = "no_files_left"  # the count of commits that lost all of their files

Note = Callable[[str, str, str], None]  # of each thing left out: the filter's name, the file ("" for all), the reason


class Tally:
    """How many commits were `seen`, and how many commits and files each filter left out; `note` is told of each."""

    def __init__(self, note: Note | None = None) -> None:
        self.seen = 0
        self.rejected: Counter[str] = Counter()
        self._note = note

    def reject(self, filter_name: str, path: str, reason: str) -> None:
        self.rejected[filter_name] += 1
        if self._note:
            self._note(filter_name, path, reason)


def passes(stage: Stage, candidate: Candidate, config: Config, tally: Tally) -> bool:
    """Whether the candidate is still worth something after a stage; takes away the files that are not."""
    for one in BY_STAGE[stage]:
        if isinstance(one, CommitFilter):
            if reason := one.check(candidate, config):
                tally.reject(name(one), "", reason)
                return False
        elif candidate.files:
            kept = []
            for file in candidate.files:
                if reason := one.check(file, config):
                    tally.reject(name(one), file.path, reason)
                else:
                    kept.append(file)
            candidate.files = kept
            if not kept:
                tally.reject(NO_FILES, "", "no file is left")
                return False
    return True

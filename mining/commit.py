"""What mining knows of one commit: who wrote what when, and the texts of the files it changed.

Plain data, shared by all of `mining`; where it comes from is `mining/git.py`'s, what of it is worth keeping
`mining/filters.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from foretype.context.languages import Language


@dataclass(frozen=True)
class Hunk:
    """A run of lines that became another run of lines, without context.

    `old_start` and `new_start` are 0-based lines of the text before and after; where a side has no lines, the place
    is before the line of that number. Lines are without their ends (`\\n`, `\\r\\n`).
    """

    old_start: int
    old: tuple[str, ...]
    new_start: int
    new: tuple[str, ...]


@dataclass(frozen=True)
class FileTexts:
    """A file before and after a commit, with its own line ends. `before` is "" for a file that was added.

    `path` and `old_path` are relative to the repository's root, with forward slashes, and differ for a renamed file.
    `hunks` are in the order of the lines and do not touch each other.
    """

    path: str
    old_path: str
    language: Language
    before: str
    after: str
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class Commit:
    """A commit's own words. `repository` is the name that rows carry; `sha` is of 40 or 64 hexadecimal digits.

    Author and email are the mailmap's. `time` is the author's, `committed` the committer's, in seconds since 1970
    (negative before); Git itself reads an earlier date as 0.
    """

    repository: str
    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    time: int
    committed: int
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0].strip()

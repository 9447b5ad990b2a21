"""What replay needs of a ghost-text assistant: an editor's events go in, the text on the screen comes out.

Both sides of a comparison implement it, so that only what lies behind it differs. No call waits for a model: `edit`,
`move` and `ask` return at once, and what comes of an ask is seen through `shown`. Lines and columns are 0-based,
columns in characters; `path` is relative to the repository, with forward slashes; lines end in "\\n".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Shown:
    """Ghost text on the screen: what would be inserted at the cursor.

    `key` is the number of the ask after which it appeared. `ms` is the time from a key to the screen: from the key at
    which the model was asked, which is an earlier one where its answer agrees with what was typed meanwhile. `cached`:
    no model was asked for it, since it was remembered from before, or is the rest of what is being typed; `ms` then is
    the time from the last key. `tokens`: how many of the model's tokens the text is, 0 where that is not known.
    """

    text: str
    key: int
    ms: float
    cached: bool
    tokens: int


class Assistant(Protocol):
    """One assistant at work in one repository. Replay calls it from one thread. `model` says which one answers.

    What `counts` must have, each since the start:

    - `attempts`: asks for which it began to look for an answer, in its cache or with the model;
    - `requests`: asks that reached the model's process;
    - `answered`, `empty`: those of them that came back with text, and without;
    - `wasted`: those that came back after they were useless.

    There may be `failed`, those that the other side could not answer, `prompt_tokens` and those of them that were in a
    cache, `cached_tokens`, and reasons for asks that were not attempts under names that begin with `suppressed_`.
    """

    name: str
    model: str

    def workspace(self, root: Path, changed: tuple[str, ...]) -> None:
        """The repository's files are in the folder `root` now, and the paths `changed` are not what they were."""

    def open(self, path: str, language: str, text: str) -> None:
        """A file was opened; `language` is an LSP language identifier."""

    def edit(self, path: str, line: int, column: int, removed: str, inserted: str) -> None:
        """At a place, `removed` gave way to `inserted`, and the cursor is behind it."""

    def move(self, path: str, line: int, column: int) -> None:
        """The cursor went elsewhere without typing; nothing is on the screen any more."""

    def ask(self, path: str, line: int, column: int, key: int) -> None:
        """Key number `key` was pressed in insert mode and its edit was told: ghost text is wanted at the cursor."""

    def shown(self) -> Shown | None:
        """What is on the screen now."""

    def busy(self) -> bool:
        """Whether the latest ask may still bring something onto the screen."""

    def accepted(self, characters: int) -> None:
        """The developer took so many characters of what is shown; their edit follows."""

    def rejected(self) -> None:
        """The developer dismissed what is shown, by a key for it."""

    def close(self, path: str) -> None:
        """A file was closed."""

    def cpu_s(self) -> float:
        """CPU seconds that the processes behind it have used since they started, their children included."""

    def counts(self) -> Mapping[str, int]:
        """See the class."""

    def stop(self) -> None:
        """Ends what it started."""

"""What to mine and what to leave out: one frozen set of options, from a TOML file and from arguments.

Everything here changes what comes out, and nothing else does (workers, folders): two runs with one digest over the same
commits give the same rows. Thresholds are measured in what a reader of the diff sees: characters, hunks, files.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from foretype.context.languages import LANGUAGES


class ConfigError(Exception):
    """Options that cannot be used. The message tells a user what to do."""


@dataclass(frozen=True)
class Config:
    """`since` and `until` are seconds since 1970 of the author's date, `until` itself left out; `authors` are parts of
    names or addresses, in lower case, of whom nothing is taken. Shares are 0..1, sizes characters or bytes.

    The limits keep what one person can have in mind as one change. A. Hindle et al., "What do large commits tell us?"
    (2008): large ones are mostly merges, moves, licences and formatting.
    """

    languages: tuple[str, ...] = tuple(language.name for language in LANGUAGES if language.grammar)
    licences: tuple[str, ...] = (
        *("MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "0BSD", "Unlicense", "Zlib", "BSL-1.0"),
    )
    first_parent: bool = False
    since: int | None = None
    until: int | None = None
    authors: tuple[str, ...] = ()
    seed: int = 7
    max_commits: int = 0  # of one repository, 0 for all
    max_files: int = 12  # of source, in one commit
    max_changes: int = 100  # files of any kind in one commit
    max_hunks: int = 40
    max_changed_chars: int = 12_000
    min_changed_chars: int = 3
    max_renamed_hunks: int = 400  # of a commit that is one renaming
    max_file_bytes: int = 200_000
    max_line_chars: int = 400
    max_comment_share: float = 0.8
    max_data_share: float = 0.6
    version_bump_share: float = 0.1
    duplicate_similarity: float = 0.8
    grouping: bool = True  # rows are of hunks that belong together; else of a commit as a whole
    half_typed_share: float = 0.25  # of groups: the last edit has only begun
    done_share: float = 0.25  # of groups: a row that says that all is done
    left_alone_share: float = 0.25  # of groups: a row of lines that the commit left alone
    lint: bool = True  # rows of what linters asked for
    completions: int = 2  # rows for filling in the middle, of each file of a commit at most
    context_rows: int = 0  # of one repository, that get what serving shows of other files
    test_share: float = 0.1  # of repositories, whole
    validation_share: float = 0.05  # of the commits of every other repository, the newest

    @property
    def digest(self) -> str:
        """SHA-256 of all options, in hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def mined_digest(self) -> str:
        """As `digest`, of what decides the rows before some of them get context."""
        options = {key: value for key, value in asdict(self).items() if key != "context_rows"}
        return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()

    def draw(self, name: str, key: str) -> float:
        """A number in 0..1 that `key` and the seed decide, for choices that no worker's order may change."""
        digest = hashlib.sha256(f"{self.seed}:{name}:{key}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64

    @classmethod
    def load(cls, path: Path | None = None, options: Mapping[str, Any] | None = None) -> Self:
        """The options of a file's table `[mine]`, those given as arguments (but None) before them. Raises
        `ConfigError`."""
        values: dict[str, Any] = {}
        if path is not None:
            try:
                values = tomllib.loads(path.read_text(encoding="utf-8")).get("mine", {})
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise ConfigError(f"{path} cannot be read: {error}") from error
        values |= {key: value for key, value in (options or {}).items() if value is not None}
        known = {field.name: field for field in fields(cls)}
        for key, value in values.items():
            if key not in known:
                raise ConfigError(f"there is no option {key}; there are {', '.join(known)}")
            values[key] = _checked(key, value, known[key].default)
        unknown = set(values.get("languages", ())) - {language.name for language in LANGUAGES}
        if unknown:
            raise ConfigError(f"there is no language {', '.join(sorted(unknown))}")
        return cls(**values)


def _checked(key: str, value: Any, default: Any) -> Any:
    """The value as the type that the default has. Raises `ConfigError`."""
    if isinstance(default, tuple):
        if isinstance(value, str) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{key} has to be a list of strings")
        return tuple(value)
    if isinstance(default, bool) or isinstance(value, bool):
        if not (isinstance(value, bool) and isinstance(default, bool)):
            raise ConfigError(f"{key} has to be {'true or false' if isinstance(default, bool) else 'a number'}")
        return value
    if isinstance(default, float):
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(f"{key} has to be a number from 0 to 1")
        return float(value)
    if not isinstance(value, int) or (value < 0 and default is not None):
        raise ConfigError(f"{key} has to be a whole number{'' if default is None else ' that is not negative'}")
    return value

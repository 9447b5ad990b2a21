"""Which repositories to mine: folders, folders with names of their own, and files with lists of both.

A name is what rows carry and what random choices go by, so that it must be the repository's alone. Does not look into
the repositories.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foretype.mining.git import default_name


class SourceError(Exception):
    """The repositories cannot be told. The message tells a user what to do."""


@dataclass(frozen=True)
class Source:
    """A repository: the `name` for its rows, and its folder."""

    name: str
    path: str


def sources(words: Sequence[str]) -> list[Source]:
    """The repositories that a command line names, by name. Each word is a folder, `NAME=FOLDER`, or a file with one of
    them a line, relative to it; lines that begin with `#` are comments. Raises `SourceError`."""
    found = [source for word in words for source in _named(word)]
    twice = sorted(name for name, count in Counter(source.name for source in found).items() if count > 1)
    if twice:
        paths = ", ".join(source.path for source in found if source.name == twice[0])
        raise SourceError(f"several repositories are called {twice[0]} ({paths}): give them as NAME=FOLDER")
    if not found:
        raise SourceError("the list names no repository")
    return sorted(found, key=lambda source: source.name)


def _named(word: str) -> Iterator[Source]:
    path = Path(word)
    if not path.is_file():
        yield _source(word, Path())
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    for line in map(str.strip, lines):
        if line and not line.startswith("#"):
            yield _source(line, path.parent)


def _source(word: str, folder: Path) -> Source:
    name, equals, rest = word.partition("=")
    if not equals or (folder / word).exists():
        name, rest = default_name(folder / word), word
    name = name.strip()
    if not name or not name.isprintable():
        raise SourceError(f"{name!r} is no name for a repository: give it as NAME=FOLDER")
    return Source(name, os.path.abspath(folder / rest.strip()))

"""The steps of an installation as the documents give them, so that a test does what a reader would.

    python tests/documented.py docs/editors.md "VS Code and its forks"

prints a section's steps as JSON. Knows the Markdown of this project's pages alone: `## ` headings, numbered steps, and
fenced blocks with a language.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import dedent

_STEP = re.compile(r"^\d+\. ", re.MULTILINE)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language as it stands there, and its lines without their indent."""

    language: str
    text: str


@dataclass(frozen=True)
class Step:
    """A numbered step: what it says besides its blocks, and those."""

    text: str
    blocks: tuple[Block, ...]


def steps(page: Path, heading: str) -> list[Step]:
    """The numbered steps under a `## ` heading. Raises KeyError where the page has no such heading."""
    for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        if title.strip() == heading:
            return [_step(text) for text in _numbered(body)]
    raise KeyError(f"{page.name} has no section {heading!r}")


def _numbered(body: str) -> Iterator[str]:
    """What follows each number, up to the next one or to the first line that is not indented."""
    for text in _STEP.split(body)[1:]:
        first, _, rest = text.partition("\n")
        inside = re.match(r"(?:(?: +\S.*)?\n)*(?: +\S.*)?", rest)
        yield f"   {first}\n{inside[0] if inside else ''}"


def _step(text: str) -> Step:
    blocks = tuple(Block(language, dedent(body)) for _, language, body in _FENCE.findall(text))
    said = " ".join(_FENCE.sub("", text).split())
    return Step(said, blocks)


if __name__ == "__main__":
    found = [asdict(step) for step in steps(Path(sys.argv[1]), sys.argv[2])]
    sys.stdout.write(json.dumps(found, indent=2) + "\n")

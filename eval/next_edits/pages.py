"""The pages that acceptance cases are written on: headings, paths, blocks, and diffs without line numbers.

What a person writes easily, and precise words for what is wrong with it. Knows what a page consists of, not what a case
means (`cases.py`); the form is described in `eval/cases/edits/README.md`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

_SECTIONS = ("Files", "Edit", "Diagnostics", "Next", "Alone")
_HEADERS = ("kind", "lane")
_PATH = re.compile(r"`([^`]+)`( deleted)?\Z")
_FENCE = re.compile(r"(`{3,})\s*(\w*)\s*\Z")
_HUNK = re.compile(r"@@(?: -?(\d+)\b.*)?\Z")


class CaseError(ValueError):
    """A file is no case. The message has the file, the line and what to do."""


class Page:
    """The parts of a case's text. Line numbers count from 1."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._sections: dict[str, list[tuple[int, str]]] = {"": []}
        section, fence = "", ""
        for number, line in enumerate(text.split("\n"), 1):
            opening = _FENCE.match(line)
            if fence:
                fence = "" if line.rstrip() == fence else fence
            elif opening:
                fence = opening[1]
            elif line.startswith("## "):
                section = line[3:].strip()
                if section not in _SECTIONS:
                    self.fail(number, f"section {section!r} is none of {', '.join(_SECTIONS)}")
                if section in self._sections:
                    self.fail(number, f"section {section!r} is there twice")
                self._sections[section] = []
                continue
            self._sections[section].append((number, line))
        if fence:
            self.fail(number, f"a block that began with {fence} has no end")
        for needed in ("Files", "Edit", "Next"):
            if needed not in self._sections:
                self.fail(1, f"the section {needed!r} is missing")
        self.title, self.text, self.headers = self._head()

    def fail(self, number: int, why: str) -> NoReturn:
        raise CaseError(f"{self.name}.md:{number}: {why}")

    def lines(self, section: str) -> list[tuple[int, str]]:
        """The lines of a section that are not blank."""
        return [(number, line) for number, line in self._sections.get(section, []) if line.strip()]

    def blocks(self, section: str) -> list[Block]:
        """What a section says of files, in its order."""
        found = []
        lines = iter(self.lines_all(section))
        alternative = False
        for number, line in lines:
            if not line.strip():
                continue
            if line.strip() == "or":
                alternative = True
                continue
            said = _PATH.match(line.strip())
            if said is None:
                self.fail(number, f"expected a path as in `src/a.py`, alone in its line, not {line!r}")
            path = said[1]
            if said[2]:
                found.append(Block(self, number, path, "", deleted=True, alternative=alternative))
            else:
                found.append(self._fenced(lines, path, alternative))
            alternative = False
        return found

    def lines_all(self, section: str) -> list[tuple[int, str]]:
        return self._sections.get(section, [])

    def _fenced(self, lines: Iterator[tuple[int, str]], path: str, alternative: bool) -> Block:
        number, line = next(((number, line) for number, line in lines if line.strip()), (0, ""))
        opening = _FENCE.match(line)
        if opening is None:
            self.fail(number, f"below `{path}` a block between ``` is expected")
        body = itertools.takewhile(lambda item: item[1].rstrip() != opening[1], lines)
        text = "".join(line + "\n" for _, line in body)
        return Block(self, number - 1, path, text, diff=opening[2] == "diff", alternative=alternative)

    def _head(self) -> tuple[str, str, dict[str, str]]:
        lines = self.lines("")
        if not lines or not lines[0][1].startswith("# "):
            self.fail(1, "the first line is the title, as in # Rename a function")
        headers, words = {}, []
        for number, line in lines[1:]:
            name, colon, value = line.removeprefix("- ").partition(": ")
            if line.startswith("- ") and colon:
                if name not in _HEADERS:
                    self.fail(number, f"{name!r} is none of {', '.join(_HEADERS)}")
                headers[name] = value.strip()
            else:
                words.append(line.strip())
        for name in _HEADERS:
            if name not in headers:
                self.fail(1, f"a line '- {name}: ...' is missing above the first section")
        if headers["lane"] not in ("rule", "any"):
            self.fail(1, f"lane {headers['lane']!r} is neither rule nor any")
        if not words:
            self.fail(1, "a paragraph that says what this case is about is missing")
        return lines[0][1][2:].strip(), " ".join(words), headers


@dataclass(frozen=True)
class Block:
    """A path and what stands below it."""

    page: Page
    number: int
    path: str
    text: str
    diff: bool = False
    deleted: bool = False
    alternative: bool = False

    def fail(self, why: str) -> NoReturn:
        self.page.fail(self.number, why)

    def applied(self, texts: Mapping[str, str]) -> str:
        """The text of `path` after this block."""
        if not self.diff:
            return self.text
        if self.path not in texts:
            self.fail(f"{self.path} is not there to be changed: give its whole text in a block that is no diff")
        lines = texts[self.path].split("\n")
        changes = sorted(self._changes(lines))
        for (_, stop, _), (start, _, _) in itertools.pairwise(changes):
            if start < stop:
                self.fail(f"two hunks change line {start + 1} of {self.path}")
        for start, stop, new in reversed(changes):
            lines[start:stop] = new
        return "\n".join(lines)

    def _changes(self, lines: Sequence[str]) -> Iterator[tuple[int, int, list[str]]]:
        """Of each hunk the lines that give way, and those that replace them."""
        for at, said, hunk in self._hunks():
            old = [line[1:] for line in hunk if line[:1] in ("", " ", "-")]
            new = [line[1:] for line in hunk if line[:1] in ("", " ", "+")]
            wrong = next((line for line in hunk if line[:1] not in ("", " ", "-", "+")), None)
            if wrong is not None:
                self.page.fail(at, f"a line of a diff starts with a blank, - or +, not as {wrong!r}")
            if old == new:
                self.page.fail(at, "a hunk that changes nothing")
            starts = [start for start in range(len(lines) - len(old) + 1) if lines[start : start + len(old)] == old]
            if said is not None:
                starts = [start for start in starts if start == said - 1]
            if not old or len(starts) != 1:
                found = f"is there {len(starts)} times" if old else "has no line by which to find it"
                self.page.fail(
                    at, f"a hunk for {self.path} {found}: {old[:1]}; add lines around it or its line after @@"
                )
            lead = next(i for i in range(len(hunk) + 1) if i == len(hunk) or hunk[i][:1] in ("-", "+"))
            tail = next(i for i in range(len(hunk) + 1) if i == len(hunk) or hunk[-1 - i][:1] in ("-", "+"))
            yield starts[0] + lead, starts[0] + len(old) - tail, new[lead : len(new) - tail]

    def _hunks(self) -> Iterator[tuple[int, int | None, list[str]]]:
        """Each hunk: its line in the page, the line of the file that its header says, its lines."""
        at, said, hunk = self.number + 2, None, list[str]()
        for number, line in enumerate(self.text.split("\n")[:-1], self.number + 2):
            header = _HUNK.match(line)
            if header is None:
                hunk.append(line)
                continue
            if hunk:
                yield at, said, hunk
            at, said, hunk = number + 1, int(header[1]) if header[1] else None, []
        if hunk:
            yield at, said, hunk

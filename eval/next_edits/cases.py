"""Acceptance cases of next edits: a folder of markdown files, one case each, as `eval/cases/edits/README.md` says.

A case has the files as they were, what the user changed in them, what should be done next, and what must stay as it is.
Reading one checks that its changes fit its files. Knows nothing of who answers a case, nor of how answers are judged.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from foretype.context import languages
from foretype.context.next_edit import Diagnostic, EditedFile
from foretype.eval.next_edits.pages import Block, CaseError, Page

__all__ = ["KINDS", "CaseError", "EditCase", "Spot", "parse", "read", "read_folder"]

KINDS = (
    *("rename", "parameter", "field", "member", "import", "repeat", "thread", "test", "async", "lint"),
    *("finished", "wording", "independent", "lookalike", "undo"),
)
VARIANTS = 64
_PLACE = re.compile(r"- `([^`]+)`(?:: (`+) ?(.+?) ?\2(?:: (.+))?)?\Z")
_SAID = re.compile(r"(.*?)(?: \((\S+)(?: (\S+))?\))?\Z")


class Spot(NamedTuple):
    """Line `line` of `path`, from 0."""

    path: str
    line: int


@dataclass(frozen=True)
class EditCase:
    """One case. `files` are all texts by path with the user's edits in them; `edited` the files that these changed, and
    `steps` the edits one by one in their order. Each of `expected` is an answer: all texts by path once the next edits
    are made; it is `files` itself where nothing is due. `alone` are lines of `files` that no edit may touch, `lane` is
    "rule" where the rules must find the whole answer without a model."""

    name: str
    title: str
    text: str
    kind: str
    lane: Literal["rule", "any"]
    language: str
    files: Mapping[str, str]
    edited: tuple[EditedFile, ...]
    steps: tuple[EditedFile, ...]
    expected: tuple[Mapping[str, str], ...]
    alone: tuple[Spot, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def due(self) -> bool:
        return self.expected[0] != self.files

    def write(self, folder: Path) -> None:
        """Puts the files into `folder`."""
        for path, text in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")


def read_folder(folder: Path) -> list[EditCase]:
    """The cases of a folder by name, README.md left out. Raises `CaseError`."""
    paths = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    if not paths:
        raise CaseError(f"{folder} has no cases: give the folder that holds the .md files")
    return [read(path) for path in paths]


def read(path: Path) -> EditCase:
    """The case in a file. Raises `CaseError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{path} cannot be read: {error}") from error
    return parse(path.stem, text)


def parse(name: str, text: str) -> EditCase:
    """The case that a text is. Raises `CaseError`."""
    page = Page(name, text)
    files: dict[str, str] = {}
    for block in page.blocks("Files"):
        if block.diff or block.deleted or block.alternative:
            block.fail("here a path and a block with the file's text stand, nothing else")
        if block.path in files:
            block.fail(f"{block.path} was given before")
        files[block.path] = block.text
    now, steps = _edits(page, files)
    expected = _answers(page, now)
    case = EditCase(
        *(name, page.title, page.text, page.headers["kind"]),
        lane="rule" if page.headers["lane"] == "rule" else "any",
        language=_language(steps[0].path),
        files=now,
        edited=_edited(files, now),
        steps=steps,
        expected=expected,
        alone=tuple(_alone(page, now, expected)),
        diagnostics=tuple(_diagnostics(page, now)),
    )
    if case.kind not in KINDS:
        page.fail(1, f"kind {case.kind!r} is none of {', '.join(KINDS)}")
    return case


def _edits(page: Page, files: Mapping[str, str]) -> tuple[dict[str, str], tuple[EditedFile, ...]]:
    now, steps = dict(files), []
    for block in page.blocks("Edit"):
        if block.alternative:
            block.fail("what the user did has no alternative")
        if block.deleted and block.path not in now:
            block.fail(f"{block.path} is not there to be deleted")
        before = now.get(block.path, "")
        after = "" if block.deleted else block.applied(now)
        if before == after:
            block.fail(f"{block.path} is not changed by this")
        steps.append(EditedFile(block.path, _language(block.path), before, after))
        if block.deleted:
            del now[block.path]
        else:
            now[block.path] = after
    if not steps:
        page.fail(1, "the section 'Edit' has no edit")
    return now, tuple(steps)


def _edited(files: Mapping[str, str], now: Mapping[str, str]) -> tuple[EditedFile, ...]:
    paths = dict.fromkeys((*now, *files))
    return tuple(
        EditedFile(path, _language(path), files.get(path, ""), now.get(path, ""))
        for path in paths
        if files.get(path, "") != now.get(path, "")
    )


def _answers(page: Page, now: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    lines = page.lines("Next")
    if [line.strip() for _, line in lines] == ["Nothing."]:
        return (now,)
    groups: list[list[Block]] = []
    for block in page.blocks("Next"):
        if block.deleted:
            block.fail("a next edit deletes no file")
        if not block.alternative:
            groups.append([block])
        elif not groups:
            block.fail("'or' stands between two blocks")
        else:
            groups[-1].append(block)
    if not groups:
        page.fail(1, "the section 'Next' has neither blocks nor the one line 'Nothing.'")
    answers = [_answer(blocks, now) for blocks in itertools.islice(itertools.product(*groups), VARIANTS + 1)]
    if len(answers) > VARIANTS:
        page.fail(1, f"more than {VARIANTS} answers: write fewer 'or'")
    return tuple(answers)


def _answer(blocks: Sequence[Block], now: Mapping[str, str]) -> Mapping[str, str]:
    """All texts after `blocks`, each of which is about the text that is there now."""
    merged: dict[str, Block] = {}
    for block in blocks:
        other = merged.get(block.path)
        if other is not None and not (other.diff and block.diff):
            block.fail(f"{block.path} was given before")
        text = block.text if other is None else f"{other.text}@@\n{block.text}"
        number = block.number if other is None else other.number
        merged[block.path] = Block(block.page, number, block.path, text, block.diff)
    return {**now, **{path: block.applied(now) for path, block in merged.items()}}


def _alone(page: Page, now: Mapping[str, str], expected: Sequence[Mapping[str, str]]) -> Iterator[Spot]:
    for number, line in page.lines("Alone"):
        said = _PLACE.match(line)
        if said is None or said[4]:
            page.fail(number, "expected - `path` or - `path`: `the line`")
        path, words = said[1], said[3]
        for at in _find(page, number, now, path, words):
            kept = now[path].split("\n")[at]
            if words and any(kept not in answer[path].split("\n") for answer in expected):
                page.fail(number, f"`{words}` of {path} is changed by the section 'Next'")
            yield Spot(path, at)


def _diagnostics(page: Page, now: Mapping[str, str]) -> Iterator[Diagnostic]:
    for number, line in page.lines("Diagnostics"):
        said = _PLACE.match(line)
        if said is None or not said[4]:
            page.fail(number, "expected - `path`: `the line`: what is said of it (linter code)")
        message = _SAID.match(said[4])
        for at in _find(page, number, now, said[1], said[3]):
            words = message.groups(default="") if message else (said[4], "", "")
            yield Diagnostic(said[1], at, at + 1, *words)


def _find(page: Page, number: int, now: Mapping[str, str], path: str, words: str | None) -> list[int]:
    """The lines of a file, from 0, that are `words` but for their indentation; all of them where it is None."""
    if path not in now:
        page.fail(number, f"{path} is none of the files")
    lines = now[path].split("\n")[:-1]
    found = [at for at, line in enumerate(lines) if words is None or line.strip() == words.strip()]
    if not found:
        page.fail(number, f"no line of {path} is `{words}`")
    return found


def _language(path: str) -> str:
    language = languages.find("", path)
    return language.name if language else ""

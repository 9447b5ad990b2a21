"""A workspace in a few lines: files, an edit of one of them, and what the rules make of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from foretype.context import languages
from foretype.context.next_edit import EditedFile, NextEdit, text_digest
from foretype.context.propagate import Carried, carry
from foretype.context.text import split_lines
from foretype.context.workspace import Workspace


@dataclass(frozen=True)
class Result:
    """`texts` are all files with the proposed edits in them, `left` the (path, line) that the rules leave."""

    carried: Carried
    texts: Mapping[str, str]

    @property
    def left(self) -> set[tuple[str, int]]:
        return {(place.path, place.start) for place in self.carried.left}

    def lines(self, path: str) -> list[str]:
        return [line.strip() for line in self.texts[path].splitlines() if line.strip()]


def edited(path: str, before: str, *changes: tuple[str, str]) -> EditedFile:
    """A file in which each text that `changes` name first gives way, once, to what they name then."""
    before = after = dedent(before)
    for old, new in changes:
        assert old in after, old
        after = after.replace(old, new, 1)
    language = languages.find("", path)
    return EditedFile(path, language.name if language else "", before, after)


def carried(
    folder: Path, files: Mapping[str, str], edits: Mapping[str, Sequence[tuple[str, str]]], **options
) -> Result:
    """The files, some of them edited, after what the rules propose."""
    changed = [edited(path, files[path], *changes) for path, changes in edits.items()]
    return carried_files(folder, files, changed, **options)


def carried_files(folder: Path, files: Mapping[str, str], changed: Sequence[EditedFile], **options) -> Result:
    texts = {path: dedent(text) for path, text in files.items()} | {file.path: file.after for file in changed}
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="")
    workspace = Workspace.open(folder, None)
    try:
        workspace.refresh(children=0)
        early: list[NextEdit] = []
        found = carry(workspace, changed, **options, early=early.append)
    finally:
        workspace.close()
    if not found.capped:
        assert set(early) <= set(found.edits)
    return Result(found, {path: applied(path, text, found.edits) for path, text in texts.items()})


def applied(path: str, text: str, edits: Sequence[NextEdit]) -> str:
    """A text with the edits that are of its file; each must have been computed for this text."""
    lines = split_lines(text)
    starts = [sum(map(len, lines[:at])) for at in range(len(lines))]
    mine = sorted((edit for edit in edits if edit.path == path), key=lambda edit: edit.span.start_line)
    spans = [
        (starts[edit.span.start_line] + edit.span.start_column, starts[edit.span.end_line] + edit.span.end_column, edit)
        for edit in mine
    ]
    for start, end, edit in sorted(spans, key=lambda row: -row[0]):
        assert edit.digest == text_digest("".join(lines))
        assert edit.lane == "rule"
        text = text[:start] + edit.text + text[end:]
    return text

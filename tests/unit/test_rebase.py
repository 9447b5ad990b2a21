"""Suggested edits in a text that changes. The oracle is a text of cells, each with an identity of its own: whatever is
typed, a suggestion may cover only cells that it was computed for, or its own text that was typed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context.next_edit import Span
from foretype.context.text import split_lines
from foretype.lsp.documents import Documents, Edit
from foretype.lsp.edits import rebase
from foretype.lsp.edits.rebase import Standing, applied, beside, moved, stands, text_at

TEXT = "def log(text):\n    print(text)\n\nlog(1)\nlog(2) + log(3)\n"


def span(text: str, at: int, length: int) -> Span:
    def place(offset: int) -> tuple[int, int]:
        lines = split_lines(text[:offset])
        return len(lines) - 1, len(lines[-1])

    return Span(*place(at), *place(at + length))


def suggestion(text: str, at: int, old: str, new: str) -> Standing:
    assert text[at : at + len(old)] == old
    return Standing(span(text, at, len(old)), old, new)


def edit(text: str, at: int, removed: int, inserted: str) -> tuple[Edit, str]:
    where = span(text, at, 0)
    change = Edit(where.start_line, where.start_column, text[at : at + removed], inserted)
    return change, text[:at] + inserted + text[at + removed :]


CALL = TEXT.index("log(1)")


@pytest.mark.parametrize(
    ("at", "removed", "inserted", "where"),
    [
        (0, 0, "import os\n", 4),
        (0, 0, "async ", 3),
        (TEXT.index("print"), 5, "emit", 3),
        (TEXT.index("    print"), 16, "", 2),
        (CALL, 0, "x = 1\n", 4),
        (CALL + 7, 0, "x = 1\n", 3),
        (len(TEXT), 0, "end", 3),
    ],
)
def test_text_that_changes_elsewhere_moves_it(at: int, removed: int, inserted: str, where: int) -> None:
    change, text = edit(TEXT, at, removed, inserted)
    now = moved(suggestion(TEXT, CALL, "log", "logger"), change)
    assert now and now.span == Span(where, 0, where, 3)
    assert stands(now, split_lines(text))


@pytest.mark.parametrize(
    ("at", "removed", "inserted"), [(4, 0, "x"), (3, 0, "x"), (0, 0, "x"), (1, 1, ""), (5, 0, "\n")]
)
def test_other_text_on_its_lines_ends_it(at: int, removed: int, inserted: str) -> None:
    change, _ = edit(TEXT, CALL + at, removed, inserted)
    assert moved(suggestion(TEXT, CALL, "log", "logger"), change) is None


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("log", "logger", [(3, 0, "g"), (4, 0, "er")]),
        ("log", "warn", [(2, 1, ""), (1, 1, ""), (0, 1, ""), (0, 0, "w"), (1, 0, "arn")]),
        ("log", "warn", [(0, 3, "wa"), (2, 0, "rn")]),
        ("log(1)", "log(1, level)", [(5, 0, ", "), (7, 0, "level")]),
        ("log(1)\n", "", [(0, 6, ""), (0, 1, "")]),
        ("log(1)", "if x:\n    log(1)", [(0, 0, "if x:"), (5, 0, "\n    ")]),
    ],
)
def test_typing_its_text_shortens_it(old: str, new: str, steps: Sequence[tuple[int, int, str]]) -> None:
    text, now = TEXT, suggestion(TEXT, CALL, old, new)
    for at, removed, inserted in steps:
        assert not now.done
        change, text = edit(text, CALL + at, removed, inserted)
        found = moved(now, change)
        assert found and stands(found, split_lines(text))
        now = found
        if not now.done:
            assert applied(split_lines(text), [now]) == applied(split_lines(TEXT), [suggestion(TEXT, CALL, old, new)])
    assert now.done


def test_edits_that_are_accepted_together_may_share_a_line() -> None:
    first = TEXT.index("log(2)")
    second = suggestion(TEXT, TEXT.index("log(3)"), "log", "logger")
    change, text = edit(TEXT, first, 3, "logger")
    assert moved(second, change) is None
    now = beside(second, change)
    assert now and now.span == Span(4, 12, 4, 15) and stands(now, split_lines(text))


def test_no_place_is_no_text() -> None:
    lines = split_lines("ab\r\ncd")
    assert text_at(lines, Span(0, 0, 1, 1)) == "ab\r\nc"
    for bad in (Span(0, 3, 0, 3), Span(0, 0, 2, 0), Span(1, 1, 1, 0), Span(-1, 0, 0, 0), Span(0, 0, 0, 4)):
        assert text_at(lines, bad) is None
    with pytest.raises(ValueError):
        applied(lines, [Standing(Span(0, 0, 0, 2), "xx", "y")])


@dataclass(frozen=True)
class Range:
    start: object
    end: object


@dataclass(frozen=True)
class Position:
    line: int
    character: int


@dataclass(frozen=True)
class Entry:
    text: str
    range: Range


class Cells:
    """A document whose characters have identities, and the server's view of it."""

    def __init__(self, text: str) -> None:
        self.cells = [(char, number) for number, char in enumerate(text)]
        self.next = len(text)
        self.documents = Documents()
        self.documents.encoding = "utf-32"
        self.documents.open("file:///a", "python", 1, text)
        self.version = 1

    @property
    def text(self) -> str:
        return "".join(char for char, _ in self.cells)

    @property
    def lines(self) -> tuple[str, ...]:
        found = self.documents.get("file:///a")
        assert found and found.text == self.text
        return found.lines

    def change(self, at: int, removed: int, inserted: str) -> tuple[Edit, ...]:
        where = span(self.text, at, removed)
        # A place between CR and LF is none in the protocol.
        place = Range(Position(where.start_line, where.start_column), Position(where.end_line, where.end_column))
        new = [(char, self.next + number) for number, char in enumerate(inserted)]
        self.next += len(inserted)
        self.cells[at : at + removed] = new
        self.version += 1
        return self.documents.change("file:///a", self.version, [Entry(inserted, place)]).edits

    def under(self, where: Span) -> list[tuple[str, int]]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        begin = starts[where.start_line] + where.start_column
        return self.cells[begin : starts[where.end_line] + where.end_column]


def race(rng: random.Random, steps: int) -> int:
    """A client that types and a suggestion that is accepted at some time; how often it was there to be."""
    words = ["log", "x", "(", ")", "\n", " ", "\r\n", "é", "𝄞", "logger"]
    cells = Cells("".join(rng.choice(words) for _ in range(40)))
    text = cells.text
    at = rng.randrange(len(text))
    length = rng.randrange(0, min(8, len(text) - at) + 1)
    if "\r" in text[max(0, at - 1) : at + length + 1]:
        return 0
    new = rng.choice(words) + rng.choice(["", text[at : at + length]]) + rng.choice(words)
    now: Standing | None = suggestion(text, at, text[at : at + length], new)
    assert now
    meant = {number for _, number in cells.under(now.span)}
    typed = 0
    for _ in range(steps):
        text = cells.text
        if now and rng.random() < 0.3:  # go on with what it says, more or less
            old = cells.under(now.span)
            begin = cells.cells.index(old[0]) if old else rng.randrange(len(text) + 1)
            here, gone, come = begin + rng.randrange(len(old) + 1), rng.randrange(3), rng.choice([now.new[:2], "x", ""])
        else:
            here, gone, come = rng.randrange(len(text) + 1), rng.choice([0, 0, 1, 5]), rng.choice([*words, ""])
        gone = min(gone, len(text) - here)
        around = text[max(0, here - 1) : here + gone + 1]
        if "\r" in around or come.startswith("\n"):
            continue
        for change in cells.change(here, gone, come):
            now = now and moved(now, change)
        if now is None:
            break
        typed += 1
        if now.done:
            return 1
        assert stands(now, cells.lines)
        covered = cells.under(now.span)
        own = [char for char, number in covered if number not in meant]
        assert all(char in now.new for char in own)  # nothing of the user's but its own text
        kept = [number for _, number in covered if number in meant]
        assert kept == sorted(kept) and (not kept or kept[-1] - kept[0] < length)
        after = applied(cells.lines, [now])
        outside = [char for char, number in cells.cells if number not in {n for _, n in covered}]
        assert len(after) == len(outside) + len(now.new)
    return int(now is not None and typed > 0)


def test_typing_races_acceptance_a_thousand_times() -> None:
    rng = random.Random(7)
    survived = sum(race(rng, 6) for _ in range(1000))
    assert survived > 100  # else nothing was tested


@settings(max_examples=200, deadline=None)
@given(st.text("ab\n", max_size=12), st.text("ab\n", max_size=6), st.data())
def test_one_edit_leaves_all_other_text_alone(text: str, new: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, len(text) - at))
    here = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, len(text) - here))
    come = data.draw(st.text("ab\n", max_size=3))
    before = suggestion(text, at, text[at : at + length], new)
    change, after = edit(text, here, gone, come)
    now = moved(before, change)
    if now is None or now.done:
        return
    assert stands(now, split_lines(after))
    typed_on = text[:at] + new + text[at + length :]
    grown = len(come) - gone
    beside = {typed_on}  # where it touches the suggestion, what was typed may be the suggestion's own text
    if here + gone <= at:
        beside.add(after[: at + grown] + new + after[at + grown + length :])
    elif here >= at + length:
        beside.add(after[:at] + new + after[at + length :])
    assert applied(split_lines(after), [now]) in beside


def test_growth_counts_line_ends() -> None:
    assert rebase.growth([Edit(0, 0, "a\r\nb", "x\ny\rz\r\n")]) == 2

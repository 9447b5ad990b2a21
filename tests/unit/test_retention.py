"""How much is left of an accepted text, wherever it went."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context.text import Snapshot, split_lines
from foretype.lsp.documents import Edit
from foretype.lsp.log.opportunity import behind
from foretype.lsp.log.retention import Retention, between, distance_within

URI = "file:///a.py"


@dataclass
class Document:
    """A text that is edited while what is in it is followed."""

    text: str
    retention: Retention = field(default_factory=Retention)

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(URI, "a.py", "python", 1, tuple(split_lines(self.text)))

    def place(self, offset: int) -> tuple[int, int]:
        return behind(Edit(0, 0, "", self.text[:offset]))

    def replace(self, at: int, length: int, text: str) -> None:
        edit = Edit(*self.place(at), self.text[at : at + length], text)
        self.text = self.text[:at] + text + self.text[at + length :]
        self.retention.edited(URI, [edit])

    def accept(self, at: int, text: str, told_first: bool = False) -> None:
        start = self.place(at)
        if told_first:
            self.retention.accepted("row", URI, text, start, self.snapshot, 0.0)
        self.replace(at, 0, text)
        if not told_first:
            self.retention.accepted("row", URI, text, start, self.snapshot, 0.0)

    def share(self, now: float = 30.0) -> float | None:
        ((_, _, kept),) = self.retention.due(now)
        return kept.share(self.snapshot)


@pytest.mark.parametrize("told_first", [False, True])
def test_all_of_it_is_left_wherever_it_went(told_first: bool) -> None:
    document = Document("def f():\n    \n")
    document.accept(13, "return compute(1)", told_first)
    document.replace(0, 0, "import os\n\n\n")
    document.replace(12, 8, "def longer_name():")
    document.replace(len(document.text), 0, "\nmore")
    assert document.share() == 1.0


def test_what_is_added_to_it_costs_nothing_but_inside() -> None:
    document = Document("x = \n")
    document.accept(4, "compute(a)")
    document.replace(14, 0, " + 1")
    assert document.share(30) == 1.0
    document.replace(8, 0, "--")  # comp--ute(a)
    assert document.share(120) == pytest.approx(0.8)


def test_what_is_deleted_or_replaced_is_gone() -> None:
    document = Document("x = \n")
    document.accept(4, "compute(a)")
    document.replace(4, 7, "f")
    assert document.share(30) == pytest.approx(0.3)
    document.replace(0, len(document.text), "")
    assert document.share(120) == 0.0


def test_what_is_undone_and_redone_is_back() -> None:
    document = Document("x = \n")
    document.accept(4, "compute(a)")
    document.replace(4, 10, "")
    assert document.share(30) == 0.0
    document.replace(4, 0, "compute(a)")
    assert document.share(120) == 1.0


@pytest.mark.parametrize("told_first", [False, True])
def test_parts_of_one_suggestion_are_one_text(told_first: bool) -> None:
    document = Document("x = \n")
    document.accept(4, "compute", told_first)
    document.accept(11, "(a)", told_first)
    document.replace(14, 0, "(a)")  # as nobody suggested
    document.replace(11, 3, "")
    assert document.share() == pytest.approx(0.7)


def test_each_horizon_once_and_none_after_the_document_closed() -> None:
    document = Document("")
    document.accept(0, "text")
    retention = document.retention
    assert [horizon for _, horizon, _ in retention.due(121.0)] == [30, 120]
    assert (retention.due(121.0), retention.next_at()) == ([], 300.0)
    retention.closed(URI)
    assert (retention.due(9999.0), retention.next_at()) == ([], None)


def test_nothing_is_said_of_a_document_that_is_not_there() -> None:
    document = Document("")
    document.accept(0, "text")
    ((_, _, kept),) = document.retention.due(30.0)
    assert kept.share(None) is None


SMALL = st.text("abc", max_size=12)


@given(SMALL, SMALL)
def test_the_distance_is_that_of_the_table(pattern: str, text: str) -> None:
    row = [0] * (len(text) + 1)
    for i, one in enumerate(pattern, 1):
        above, row = row, [i]
        for j, other in enumerate(text, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (one != other)))
    assert distance_within(pattern, text) == min(row)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.text("x\n", max_size=5)), max_size=8))
def test_edits_outside_leave_it_alone(edits: list[tuple[int, int, str]]) -> None:
    document = Document("before\nbefore\nafter\nafter\n")
    kept = "K1\nK2K3"
    document.accept(14, kept)
    for at, length, text in edits:
        start = document.text.index(kept)
        end = start + len(kept)
        at = min(at, len(document.text))
        if at < start:
            length = min(length, start - at)
        elif at < end:
            continue
        document.replace(at, length, text)
    ((_, _, found),) = document.retention.due(30.0)
    assert between(document.snapshot, found.start, found.end) == kept

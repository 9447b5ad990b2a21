"""When an edit has settled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foretype.context.next_edit import Diagnostic
from foretype.context.text import Snapshot, split_lines
from foretype.lsp.documents import Edit
from foretype.lsp.edits.policy import Cause, Past, awaited, behind, held, news
from foretype.lsp.options import EditsOptions

OPTIONS = EditsOptions()
SNAPSHOT = Snapshot("file:///a.py", "a.py", "python", 1, tuple(split_lines("name = value\nother\n")))


@pytest.mark.parametrize(
    ("cause", "place", "expected"),
    [
        ("idle", (0, 2), "mid_word"),
        ("idle", (0, 4), None),
        ("idle", (0, 0), None),
        ("idle", (1, 5), None),
        ("saved", (0, 2), None),
        ("line_left", (0, 2), None),
    ],
)
def test_the_middle_of_a_word(cause: Cause, place: tuple[int, int], expected: str | None) -> None:
    assert held(cause, SNAPSHOT, place, False, (), OPTIONS) == expected
    assert held(cause, SNAPSHOT, place, False, (), replace(OPTIONS, mid_word=True)) is None


def test_what_holds_an_edit_up() -> None:
    assert held("idle", SNAPSHOT, (0, 4), True, (), OPTIONS) == "undo"
    assert held("idle", SNAPSHOT, (0, 4), True, (), replace(OPTIONS, after_undo=True)) is None
    assert held("saved", SNAPSHOT, (0, 4), False, {0}, OPTIONS) == "rejected"
    assert held("saved", SNAPSHOT, (1, 4), False, {0}, OPTIONS) is None
    assert held("asked", SNAPSHOT, (0, 2), True, {0}, OPTIONS) is None
    assert held("asked", SNAPSHOT, None, False, (), replace(OPTIONS, disabled_languages=("python",))) == "language"
    assert not awaited("saved", replace(OPTIONS, saved=False)) and awaited("saved", OPTIONS)


class Document:
    def __init__(self, text: str) -> None:
        self.text, self.past = text, Past(split_lines(text))

    def put(self, at: int, removed: int, inserted: str) -> bool:
        """Whether that takes an edit back."""
        edit = Edit(0, at, self.text[at : at + removed], inserted)
        self.text = self.text[:at] + inserted + self.text[at + removed :]
        self.past.changed(split_lines(self.text), [edit])
        return self.past.taken_back


def test_an_undo_and_a_redo_are_known_by_their_text() -> None:
    document = Document("log()")
    assert not document.put(3, 0, "g")
    assert not document.put(4, 0, "er")
    document.past.settled()
    assert document.put(3, 3, "")  # undo
    assert document.put(3, 0, "ger")  # redo
    assert not document.put(6, 0, "s")


def test_a_slip_is_no_undo() -> None:
    document = Document("log()")
    assert not document.put(3, 0, "g")
    assert not document.put(4, 0, "x")
    assert not document.put(4, 1, "")
    document.past.settled()
    assert not document.put(4, 0, "x")
    assert not document.put(4, 1, "")  # back at what was looked at last, whose proposals may be gone by now
    document.put(4, 0, "er")
    document.past.settled()
    assert document.put(4, 2, "")
    document.put(4, 0, "y")
    assert document.put(4, 1, "")  # what had settled before is no news


def test_a_new_diagnostic_counts_near_a_change() -> None:
    known, fresh = Diagnostic("a.py", 4, 5, "old"), Diagnostic("a.py", 40, 41, "new")
    assert news((known,), (known, fresh), [30])
    assert not news((known,), (known, fresh), [5])
    assert not news((known, fresh), (fresh, replace(known, start=8, stop=9)), [8, 40])


def test_the_place_behind_an_edit() -> None:
    assert behind(Edit(3, 4, "gone", "ab")) == (3, 6)
    assert behind(Edit(3, 4, "", "ab\r\n  c")) == (4, 3)

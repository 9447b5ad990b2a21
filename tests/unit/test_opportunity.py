"""What a change is taken for: typing, deleting, and what is no opportunity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretype.context.text import Snapshot
from foretype.lsp.documents import Documents, Edit
from foretype.lsp.log.opportunity import Group, behind, groups, keys, narrowed

LONG_AGO = 10.0


def insert(text: str, line: int = 0, column: int = 0) -> Edit:
    return Edit(line, column, "", text)


def delete(text: str, line: int = 0, column: int = 0) -> Edit:
    return Edit(line, column, text, "")


def origins(found: list[Group]) -> list[str]:
    return [group.origin for group in found]


@pytest.mark.parametrize(
    ("edit", "origin"),
    [
        (insert("a"), "typed"),
        (insert("\n        "), "typed"),  # a line break and what the editor indents
        (insert("()"), "typed"),
        (insert("self"), "typed"),
        (Edit(0, 0, "pri", "print()"), "typed"),  # from a completion menu
        (delete("a"), "deleted"),
        (delete("a whole sentence of many words"), "deleted"),
        (insert("x = compute(a, b)"), "paste"),
        (insert("def f():\n    return 1\n"), "paste"),
        (Edit(0, 0, "a = 1\nb  =  2\n", "a = 1\nb = 2\n"), "formatter"),
        (Edit(0, 0, "one\ntwo\nthree\n", "eins\nzwei\ndrei und vier\n"), "formatter"),
    ],
)
def test_one_entry(edit: Edit, origin: str) -> None:
    assert origins(groups([edit], LONG_AGO)) == [origin]


def test_keys_that_a_client_held_back_are_typed_where_there_was_time_for_them() -> None:
    assert origins(groups([insert("x = 1")], 0.15)) == ["typed"]
    assert origins(groups([insert("x = 1")], 0.001)) == ["paste"]


def test_a_client_that_batches_entries_gives_as_many_opportunities() -> None:
    entries = [insert("a"), insert("b", 0, 1), delete("b", 0, 1), insert("c", 0, 1)]
    assert origins(groups(entries, LONG_AGO)) == ["typed", "typed", "deleted", "typed"]


def test_the_bracket_that_the_editor_closes_is_nobodys() -> None:
    assert [group.edit.inserted for group in groups([insert("("), insert(")", 0, 1)], LONG_AGO)] == ["("]


def test_several_cursors_and_several_places() -> None:
    assert set(origins(groups([insert("x", 9), insert("x", 4), insert("x", 1)], LONG_AGO))) == {"multi_cursor"}
    assert set(origins(groups([Edit(9, 0, "\t", "    "), Edit(4, 2, " ", "")], LONG_AGO))) == {"formatter"}


def test_what_puts_back_is_undo() -> None:
    typed = [insert("f", 3, 0), insert("o", 3, 1), insert(" ", 3, 2), insert("b", 3, 3)]
    assert origins(groups([delete("fo b", 3, 0)], LONG_AGO, typed)) == ["undo"]
    assert origins(groups([insert("gone for good", 3, 0)], LONG_AGO, [delete("gone for good", 3, 0)])) == ["undo"]


def test_a_backspace_and_a_deleted_word_are_no_undo() -> None:
    typed = [insert(key, 3, column) for column, key in enumerate("a word")]
    assert origins(groups([delete("d", 3, 5)], LONG_AGO, typed)) == ["deleted"]
    assert origins(groups([delete("word", 3, 2)], LONG_AGO, typed)) == ["deleted"]


def test_a_suggestion_that_comes_in_at_once_was_accepted() -> None:
    suggested = (2, 4, "compute(a, b)\nreturn")
    assert origins(groups([insert("compute(a, b)\nreturn", 2, 4)], LONG_AGO, (), suggested)) == ["accepted"]
    assert origins(groups([insert("compute(a, b)", 2, 4)], LONG_AGO, (), suggested)) == ["accepted"]
    assert origins(groups([insert("c", 2, 4)], LONG_AGO, (), suggested)) == ["typed"]
    assert origins(groups([insert(")", 2, 4)], LONG_AGO, (), (2, 4, ")"))) == ["typed"]
    assert origins(groups([insert("compute(a, b)", 7, 0)], LONG_AGO, (), suggested)) == ["paste"]


def test_a_document_that_is_sent_whole_shows_what_was_typed() -> None:
    text = "import os\n" * 1000
    whole = Edit(0, 0, text, text[:5000] + "x" + text[5000:])
    assert groups([whole], LONG_AGO) == [Group("typed", Edit(500, 0, "", "x"))]


def test_what_changes_nothing_is_left_out() -> None:
    assert groups([Edit(0, 0, "same", "same"), insert("")], LONG_AGO) == []


def test_an_indented_line_break_is_one_key() -> None:
    assert (keys("\r\n\t\tx"), keys("ab"), keys("")) == (2, 2, 0)


TEXTS = st.text("ab \n(", max_size=12)


@given(before=TEXTS, removed=TEXTS, inserted=TEXTS, after=TEXTS)
def test_what_is_left_of_an_edit_does_what_it_did(before: str, removed: str, inserted: str, after: str) -> None:
    line, column = behind(Edit(0, 0, "", before))
    edit = narrowed(Edit(line, column, removed, inserted))
    assert apply(before + removed + after, edit) == before + inserted + after


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4), st.floats(0, 10), st.lists(TEXTS, max_size=4))
def test_every_change_is_something(changes: list[tuple[str, str]], since_s: float, recent: list[str]) -> None:
    entries = [Edit(0, 0, removed, inserted) for removed, inserted in changes]
    found = groups(entries, since_s, [insert(text) for text in recent if text])
    changed = [edit for edit in entries if edit.removed != edit.inserted]
    assert len(found) <= len(changed)
    assert bool(found) == bool(changed)
    for group in found:
        assert group.edit.removed or group.edit.inserted
        assert group.origin != "deleted" or not group.edit.inserted


def apply(text: str, edit: Edit) -> str:
    lines = text.split("\n")
    at = sum(len(line) + 1 for line in lines[: edit.line]) + edit.column
    assert text[at : at + len(edit.removed)] == edit.removed
    return text[:at] + edit.inserted + text[at + len(edit.removed) :]


def test_edits_are_those_of_documents() -> None:
    """The places that the log reckons with are those that documents mean."""
    documents = Documents()
    documents.open("file:///a", "python", 1, "one\ntwo\n")
    snapshot = documents.get("file:///a")
    assert isinstance(snapshot, Snapshot)
    assert behind(Edit(1, 1, "", "x\ny")) == (2, 1)

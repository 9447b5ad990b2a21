from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context import rows
from foretype.context.rows import Diagnostic, Diff, EditRow, Excerpt, FimRow, Origin, RowError, Target, Window

ORIGIN = Origin("o/r", "a" * 40, 1_600_000_000, "MIT", "a.py", "python", ("group of 2",))
EDIT = EditRow(
    ORIGIN,
    "edit",
    (Diff("b.py", "@@ -1,1 +1,1 @@\n-x\n+y\n"),),
    False,
    Window("a.py", 10, ("one", "two", "three")),
    Target(11, 12, ("zwei",)),
    (Diagnostic("a.py", 11, "ruff", "F841", "unused"),),
)
FIM = FimRow(ORIGIN, "single", "a = ", "1", "\n")

texts = st.text(st.characters(blacklist_characters="\n"), max_size=20)  # lone surrogates too
lines = st.lists(texts, max_size=5).map(tuple)
origins = st.builds(Origin, texts, texts, st.integers(), texts, st.just("a.py"), texts, lines)


@st.composite
def edit_rows(draw: st.DrawFn) -> EditRow:
    start, shown = draw(st.integers(0, 1000)), draw(lines)
    window = Window("a.py", start, shown)
    first = draw(st.integers(start, window.stop))
    stop = draw(st.integers(first, window.stop))
    new = draw(lines)
    target = None if shown[first - start : stop - start] == new else Target(first, stop, new)
    history = draw(st.lists(st.builds(Diff, texts, st.text()), max_size=3).map(tuple))
    related = draw(st.lists(st.builds(Excerpt, texts, st.text()), max_size=2).map(tuple))
    label: Any = "edit" if target else "no_edit"
    half = bool(history) and draw(st.booleans())
    return EditRow(draw(origins), label, history, half, window, target, (), related)


fim_rows = st.builds(FimRow, origins, st.sampled_from(["multi", "span"]), st.text(), st.text(min_size=1), st.text())


@settings(deadline=None)
@given(edit_rows() | fim_rows)
def test_a_row_is_read_as_it_was_written(row: rows.Row) -> None:
    line = rows.to_json(row)
    assert rows.from_json(line) == row
    assert "\n" not in line and line.isascii()
    assert rows.to_json(rows.from_json(line.encode())) == line


def test_the_line_names_its_schema_kind_and_class() -> None:
    data = json.loads(rows.to_json(EDIT))
    assert list(data)[:3] == ["schema", "kind", "id"]
    assert (data["schema"], data["kind"], data["class"]) == (1, "edit", "edit")
    assert data["target"] == {"start": 11, "stop": 12, "lines": ["zwei"]}
    assert json.loads(rows.to_json(FIM))["kind"] == "fim"


def test_the_id_is_of_what_a_row_says() -> None:
    assert len(EDIT.id) == 16 and int(EDIT.id, 16) >= 0
    assert replace(EDIT, origin=replace(ORIGIN, why=())).id == EDIT.id
    assert replace(EDIT, related=(Excerpt("c.py", "def f()"),)).id == EDIT.id
    assert replace(FIM, files=(Excerpt("c.py", "def f()"),)).id == FIM.id
    assert replace(EDIT, half_typed=True).id != EDIT.id
    assert replace(FIM, suffix="\n\n").id != FIM.id
    assert len({EDIT.id, FIM.id}) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2; this version reads 1"),
        ({"kind": "chat"}, "kind 'chat' is none of edit, fim"),
        ({"class": "fix"}, "class is 'fix', none of 'edit', 'no_edit'"),
        ({"half_typed": 1}, "half_typed is 1, not of type bool"),
        ({"history": {}}, "history is {}, not a list"),
        ({"history": [{"path": "a"}]}, r"history\[0\].diff is missing"),
        ({"more": 1}, "more is unknown"),
        ({"origin": None}, "origin is None, not an object"),
        ({"window": {"path": "a.py", "start": "1", "lines": []}}, "window.start is '1', not of type int"),
        ({"target": {"start": 9, "stop": 12, "lines": []}}, r"target 9..12 is not in window 10..13"),
        ({"target": {"start": 11, "stop": 12, "lines": ["two"]}}, "the target changes nothing"),
        ({"target": {"start": 11, "stop": 12, "lines": ["a\nb"]}}, "a line with a line break"),
        ({"target": None}, "class 'edit' without a target"),
        ({"class": "no_edit"}, "class 'no_edit' with a target"),
        ({"half_typed": True, "history": []}, "half typed, but without a history"),
        ({"window": {"path": "b.py", "start": 10, "lines": ["one", "two"]}}, "window of b.py, row of a.py"),
        ({"half_typed": True}, "it was changed or cut"),
    ],
)
def test_what_is_no_row_is_refused(change: dict[str, Any], message: str) -> None:
    line = json.dumps({**json.loads(rows.to_json(EDIT)), **change})
    with pytest.raises(RowError, match=message):
        rows.from_json(line)


@pytest.mark.parametrize(
    ("line", "message"), [("", "not JSON"), ('{"schema": 1', "not JSON"), ("[]", "not a JSON object")]
)
def test_a_cut_line_is_refused(line: str, message: str) -> None:
    with pytest.raises(RowError, match=message):
        rows.from_json(line)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (replace(FIM, middle=""), "nothing to fill in"),
        (replace(FIM, middle="1\n2"), "a single line with a line break in it"),
    ],
)
def test_a_hole_has_to_fit_its_mode(row: FimRow, message: str) -> None:
    with pytest.raises(RowError, match=message):
        row.check()
    replace(FIM, middle="1\n").check()

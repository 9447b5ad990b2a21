"""Recent edits: what becomes one event, what leaves no trace, and that the differences lead back to earlier texts."""

import re
import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretype.context.history import DiffEvent, History
from foretype.context.text import Snapshot, split_lines

TEN = "".join(f"line {n}\n" for n in range(1, 11))


@dataclass(frozen=True)
class Edit:
    line: int
    column: int
    removed: str
    inserted: str

    def inverse(self) -> "Edit":
        return replace(self, removed=self.inserted, inserted=self.removed)


class Typist:
    """A document that is edited and recorded; `text` is kept by slicing one string, not as the history does it."""

    def __init__(self, text: str, history: History | None = None, path: str = "a.py") -> None:
        self.history = history or History()
        self.text, self.path, self.now = text, path, 100.0

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(f"file:///{self.path}", self.path, "python", 1, tuple(split_lines(self.text)))

    def edit(self, *edits: Edit, after: float = 0.1) -> None:
        self.now += after
        self.history.record(self.snapshot, edits, self.now)
        for edit in edits:
            at = len("".join(split_lines(self.text)[: edit.line])) + edit.column
            assert self.text[at : at + len(edit.removed)] == edit.removed
            self.text = self.text[:at] + edit.inserted + self.text[at + len(edit.removed) :]

    def type(self, line: int, column: int, text: str, after: float = 0.1) -> None:
        """Key by key, in one line; `after` seconds pass before the first."""
        for n, char in enumerate(text):
            self.edit(Edit(line, column + n, "", char), after=0.1 if n else after)

    def recent(self, limit: int = 100) -> tuple[DiffEvent, ...]:
        return self.history.recent(limit)


def taken_back(text: str, events: tuple[DiffEvent, ...]) -> str:
    """The text before the events, which come newest first."""
    lines = split_lines(text)
    for event in events:
        end = event.start + len(event.added)
        assert tuple(lines[event.start : end]) == event.added
        lines[event.start : end] = event.removed
    return "".join(lines)


def unpatched(text: str, diff: str) -> str:
    """The text that a unified diff led from; every line of the diff has to fit."""
    lines = text.split("\n")
    for header, body in reversed(re.findall(r"^(@@.*@@)\n((?:[ +-].*\n)+)", diff, re.MULTILINE)):
        start, length = map(int, re.fullmatch(r"@@ -\d+,\d+ \+(\d+),(\d+) @@", header).groups())
        rows = body.split("\n")[:-1]
        start -= 1
        assert lines[start : start + length] == [row[1:] for row in rows if row[0] != "-"]
        lines[start : start + length] = [row[1:] for row in rows if row[0] != "+"]
    return "\n".join(lines)


def test_keys_become_one_diff() -> None:
    typist = Typist(TEN)
    typist.type(4, 6, "!!!")
    (event,) = typist.recent()
    assert (event.path, event.start, event.removed, event.added) == ("a.py", 4, ("line 5\n",), ("line 5!!!\n",))
    assert event.diff == "@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+line 5!!!\n line 6\n line 7\n line 8\n"


@pytest.mark.parametrize(
    ("line", "after", "events"), [(14, 1.0, 1), (15, 1.0, 2), (5, 1.1, 2), (20, 0.1, 2), (5, 0.1, 1)]
)
def test_events_end_after_eight_lines_or_a_second(line: int, after: float, events: int) -> None:
    typist = Typist("x\n" * 30)
    typist.type(5, 1, "y")
    typist.type(line, 1, "z", after=after)
    assert len(typist.recent()) == events
    assert taken_back(typist.text, typist.recent()) == "x\n" * 30


def test_lines_between_two_places_of_one_event_are_not_in_its_diff() -> None:
    typist = Typist("x\n" * 30)
    typist.type(14, 1, "z")
    typist.type(5, 1, "y")
    (event,) = typist.recent()
    assert (event.start, len(event.removed)) == (5, 10)
    assert event.diff.count("@@ -") == 2
    assert unpatched(typist.text, event.diff) == "x\n" * 30


def test_undo_leaves_no_trace() -> None:
    typist = Typist(TEN)
    typist.type(4, 6, "abc")
    typist.edit(Edit(4, 6, "abc", ""))
    assert typist.recent() == ()
    typist.type(4, 6, "abc")
    typist.edit(Edit(4, 6, "abc", ""), after=60)
    assert typist.recent() == ()


def test_undo_of_two_places_in_the_order_they_were_changed() -> None:
    typist = Typist("x\n" * 50)
    typist.edit(Edit(5, 0, "", "new\n"))
    typist.edit(Edit(40, 0, "", "y"))
    typist.edit(Edit(5, 0, "new\n", ""), after=30)
    (event,) = typist.recent()
    assert (event.start, event.added) == (39, ("yx\n",))
    typist.edit(Edit(39, 0, "y", ""))
    assert typist.recent() == ()


def test_undo_past_lines_that_were_added_above() -> None:
    typist = Typist("".join(f"{n}\n" for n in range(50)))
    typist.edit(Edit(40, 0, "", "y"))
    typist.edit(Edit(5, 0, "", "new\nlines\n"))
    typist.edit(Edit(42, 0, "y", ""), after=30)
    assert [(event.start, event.added) for event in typist.recent()] == [(5, ("new\n", "lines\n"))]


def test_one_undo_of_several_events() -> None:
    typist = Typist(TEN)
    typist.type(4, 6, "abc")
    typist.type(4, 9, "def", after=5)
    typist.type(4, 12, "ghi", after=5)
    assert len(typist.recent()) == 3
    typist.edit(Edit(4, 6, "abcdefghi", ""), after=5)
    assert typist.recent() == ()


def test_backspace_after_a_pause_shortens_what_was_typed() -> None:
    typist = Typist(TEN)
    typist.type(4, 6, "abc")
    typist.edit(Edit(4, 8, "c", ""), after=5)
    typist.type(4, 8, "d")
    (event,) = typist.recent()
    assert (event.removed, event.added) == (("line 5\n",), ("line 5abd\n",))


def test_newest_first_across_files_whatever_the_order_of_their_keys() -> None:
    history = History()
    a, b = Typist(TEN, history, "a.py"), Typist(TEN, history, "dir name/β.py")
    for n in range(3):
        a.type(0, n, "a", after=0.2)
        b.type(0, n, "b", after=0.2)
    assert [(event.path, event.added) for event in history.recent(9)] == [
        ("dir name/β.py", ("bbbline 1\n",)),
        ("a.py", ("aaaline 1\n",)),
    ]
    assert [event.path for event in history.recent(1)] == ["dir name/β.py"]
    assert history.recent(0) == ()


def test_context_is_that_of_the_moment_of_the_change() -> None:
    typist = Typist(TEN)
    typist.type(4, 6, "!")
    typist.edit(Edit(2, 0, "line 3\nline 4\n", ""), after=5)
    later, earlier = typist.recent()
    assert later.diff == "@@ -1,7 +1,5 @@\n line 1\n line 2\n-line 3\n-line 4\n line 5!\n line 6\n line 7\n"
    assert earlier.diff.startswith("@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+line 5!\n")


def test_full_synchronisation_is_as_narrow_as_its_difference() -> None:
    typist = Typist(TEN)
    typist.edit(Edit(0, 0, TEN, TEN.replace("line 5", "line five")))
    assert [(e.start, e.removed, e.added) for e in typist.recent()] == [(4, ("line 5\n",), ("line five\n",))]


def test_a_change_too_wide_to_be_typed_begins_anew() -> None:
    typist = Typist(TEN)
    typist.type(0, 0, "a")
    typist.edit(Edit(3, 0, "", "pasted\n" * 400))
    assert typist.recent() == ()
    typist.type(3, 0, "b")
    assert [event.added for event in typist.recent()] == [("bpasted\n",)]


def test_text_that_the_last_change_did_not_leave_begins_anew() -> None:
    typist = Typist(TEN)
    typist.type(0, 0, "a")
    typist.text = TEN  # read again from disk
    typist.type(5, 0, "b")
    assert [event.added for event in typist.recent()] == [("bline 6\n",)]


@pytest.mark.parametrize(
    "edit", [Edit(2, 0, "other", ""), Edit(99, 0, "", "x"), Edit(2, 50, "", "x"), Edit(-1, 0, "", "")]
)
def test_an_edit_that_does_not_fit_is_no_event(edit: Edit) -> None:
    history = History()
    typist = Typist(TEN, history)
    typist.type(0, 0, "a")
    history.record(typist.snapshot, [edit], 101.0)
    assert history.recent(9) == ()


def test_terminators_alone_are_no_difference_to_see() -> None:
    typist = Typist("a\nb\n")
    typist.edit(Edit(0, 0, "a\nb\n", "a\r\nb\r\n"))
    assert [event.diff for event in typist.recent()] == [""]
    typist.edit(Edit(0, 1, "", "!"))
    assert [event.diff for event in typist.recent()] == ["@@ -1,3 +1,3 @@\n-a\n+a!\n b\n \n"]
    assert taken_back(typist.text, typist.recent()) == "a\nb\n"


def test_what_is_done_with_is_not_gone_back_behind() -> None:
    typist = Typist("size = 1\n\nprint(size)\n")
    typist.edit(Edit(0, 0, "size", "extent"))
    typist.edit(Edit(2, 6, "size", "extent"), after=2)
    assert "".join(typist.history.before(0)["file:///a.py"][1]) == "size = 1\n\nprint(size)\n"
    typist.history.done_with(typist.now)
    assert typist.history.before(0) == {}
    typist.edit(Edit(0, 0, "extent", "sizes"), after=2)  # which the first edit is merged with
    assert len(typist.recent()) == 2
    assert "".join(typist.history.before(0)["file:///a.py"][1]) == "extent = 1\n\nprint(extent)\n"


def test_forget_and_bound() -> None:
    history = History()
    first, second = Typist("x\n" * 3000, history, "a.py"), Typist(TEN, history, "b.py")
    second.type(0, 0, "b")
    for n in range(100):
        first.type(n * 20, 0, "a")
    events = history.recent(1000)
    assert {event.path for event in events} == {"a.py"}
    assert [event.start for event in events] == [n * 20 for n in range(99, 35, -1)]
    history.forget("file:///a.py")
    assert history.recent(1000) == ()


def test_a_key_in_a_long_file_is_cheap() -> None:
    typist = Typist("some = line(of, code)\n" * 10_000)
    typist.edit(Edit(5000, 0, "", "y"))
    snapshot = typist.snapshot
    best = min(
        timed(lambda n=n: typist.history.record(snapshot, [Edit(5000, 0, "", "x")], 200.0 + n)) for n in range(5)
    )
    assert best < 0.005


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


ALPHABET = "ab \n"
ANY_ENDS = "ab\n\r\f\u2028é𝒳"


@st.composite
def sessions(draw: st.DrawFn, alphabet: str) -> tuple[str, list[tuple[Edit, float]]]:
    """A text and edits that fit one after another, with the seconds before each; some take an earlier one back."""
    start = text = draw(st.text(alphabet, max_size=60))
    done: list[tuple[Edit, float]] = []
    for _ in range(draw(st.integers(1, 12))):
        lines = split_lines(text)
        line = draw(st.integers(0, len(lines) - 1))
        column = draw(st.integers(0, len(lines[line].rstrip("\r\n"))))
        at = len("".join(lines[:line])) + column
        removed = text[at : at + draw(st.integers(0, 6))]
        if removed.endswith("\r") and text[at + len(removed) :].startswith("\n"):
            removed += "\n"  # a place between CR and LF is none
        inserted = draw(st.text(alphabet, max_size=5))
        if removed or inserted:
            done.append((Edit(line, column, removed, inserted), draw(st.sampled_from([0.1, 5.0]))))
            text = text[:at] + inserted + text[at + len(removed) :]
    return start, done


few = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(sessions(ANY_ENDS))
def test_taken_back_all_events_give_the_first_text(session: tuple[str, list[tuple[Edit, float]]]) -> None:
    start, edits = session
    typist = Typist(start)
    for edit, after in edits:
        typist.edit(edit, after=after)
    assert taken_back(typist.text, typist.recent()) == start


@few
@given(sessions(ALPHABET))
def test_diffs_applied_backwards_give_each_earlier_text(session: tuple[str, list[tuple[Edit, float]]]) -> None:
    start, edits = session
    typist = Typist(start)
    for edit, after in edits:
        typist.edit(edit, after=after)
    text = typist.text
    for event in typist.recent():
        expected = taken_back(text, (event,))
        text = unpatched(text, event.diff)
        assert text == expected
    assert text == start


@few
@given(sessions(ALPHABET))
def test_undoing_everything_leaves_nothing(session: tuple[str, list[tuple[Edit, float]]]) -> None:
    start, edits = session
    typist = Typist(start)
    for edit, after in edits:
        typist.edit(edit, after=after)
    for edit, after in reversed(edits):
        typist.edit(edit.inverse(), after=after)
    assert typist.text == start
    assert typist.recent() == ()

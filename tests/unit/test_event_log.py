"""The lives of opportunities, event by event: who typed, what was asked, shown, taken, and what is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from logged_editor import URI, Editor

from foretype.lsp.events import Ledger


@pytest.fixture
def editor() -> Editor:
    return Editor()


def test_each_key_is_an_opportunity_and_who_does_not_ask_makes_no_attempt(editor: Editor) -> None:
    editor.type("ab")
    editor.nothing(editor.ask(), "empty")
    editor.type("c")
    editor.nothing(editor.ask(), "loading")
    assert editor.lives("typed", "attempted", "reason", "response", "ending") == [
        (1, 0, "unasked", "", "none"),
        (1, 1, "empty", "empty", "none"),
        (1, 0, "loading", "", "none"),
    ]


def test_all_of_it_accepted(editor: Editor) -> None:
    editor.type("y")
    name = editor.suggest(" = x + 1")
    editor.wait(1.0)
    editor.accept(name, " = x + 1")
    first, second = editor.rows.values()
    assert (first["ending"], first["part"], first["accepted_characters"], first["shown"]) == ("accepted", "all", 8, 1)
    assert (first["characters"], first["tokens"], first["accepted_tokens"]) == (8, 4, 4.0)
    assert (first["visible_us"], first["total_us"], first["prefill_us"]) == (1_000_000, 50_000, 30_000)
    assert (first["confidence"], first["evidence"], first["inferred"]) == (0.5, "[1.0]", "")
    assert second["origin"] == "accepted"


def test_the_word_of_it_may_come_before_the_text(editor: Editor) -> None:
    editor.type("y")
    name = editor.suggest("()")
    editor.ledger.accepted(name)
    editor.paste("()")
    editor.type("z")
    assert editor.lives("origin", "ending") == [("typed", "accepted"), ("accepted", "none"), ("typed", "")]


def test_words_and_lines_add_to_one_acceptance(editor: Editor) -> None:
    editor.type("y")
    name = editor.suggest(" = 😀\nreturn y")
    editor.accept(name, " =", 2, 14)
    assert editor.lives("part", "accepted_characters")[0] == ("words", 2)
    editor.accept(name, " 😀", 5, 14)
    assert editor.lives("part", "accepted_characters")[0] == ("lines", 4)
    editor.ledger.rejected(name)  # the rest
    assert editor.lives("ending", "part", "accepted_characters")[0] == ("accepted", "lines", 4)


def test_what_was_typed_of_it_before_is_not_accepted(editor: Editor) -> None:
    """A client that draws the rest by itself does not ask again, and speaks of the suggestion as a whole."""
    editor.type("y")
    name = editor.suggest(" = x + 1")
    editor.type(" = ")
    editor.accept(name, "x + 1")
    row = next(iter(editor.rows.values()))
    assert (row["ending"], row["part"], row["accepted_characters"]) == ("accepted", "all", 5)
    editor.wait(30)
    assert next(iter(editor.rows.values()))["retained_30"] == 1.0


@pytest.mark.parametrize("told_first", [False, True])
@pytest.mark.parametrize("before", [("alpha(beta, gamma)",), ("alpha(", "beta, "), ("alpha(", "beta, ", "gamma)")])
@pytest.mark.parametrize("after", [("alpha(beta, gamma)",), ("alpha(", "beta, ", "gamma)"), ("alpha(",)])
def test_what_is_undone_and_accepted_again_counts_once(
    editor: Editor, before: tuple[str, ...], after: tuple[str, ...], told_first: bool
) -> None:
    """Retained is then what is left of all that was ever accepted of it."""
    text = "alpha(beta, gamma)"
    editor.log.capture = True

    def accept(parts: tuple[str, ...]) -> int:
        done = 0
        for part in parts:
            done += len(part)
            if told_first:
                editor.ledger.accepted(name, done, len(text))
                editor.paste(part)
            else:
                editor.accept(name, part, done, len(text))
        return done

    editor.type("y=")
    name = editor.suggest(text)
    first = accept(before)
    editor.change(1, 2, first, "")
    editor.column = 2
    editor.suggest(text, known=name)
    again = accept(after)
    editor.wait(30)
    row = editor.rows[min(key for key, row in editor.rows.items() if row["characters"])]
    most = max(first, again)
    assert (row["ending"], row["accepted_characters"], row["retained_30"]) == (
        "accepted",
        most,
        pytest.approx(again / most, abs=1e-4),
    )
    assert row["accepted_tokens"] == pytest.approx(4 * most / len(text), abs=1e-3)
    editor.ledger.rejected(name)
    editor.log.closed(URI)
    assert editor.captures[-1].accepted == text[:most]


def test_the_last_character_may_be_accepted(editor: Editor) -> None:
    editor.type("y")
    editor.accept(editor.suggest(";"), ";")
    assert editor.lives("ending", "accepted_characters")[0] == ("accepted", 1)


def test_rejected_by_a_key(editor: Editor) -> None:
    editor.type("y")
    editor.ledger.rejected(editor.suggest(" = 1"))
    assert editor.lives("shown", "ending") == [(1, "rejected")]


def test_typed_through_with_hits_on_the_way(editor: Editor) -> None:
    editor.type("y")
    editor.suggest("=12")
    editor.type("=12")
    assert editor.lives("attempted", "response", "recalled", "shown", "ending") == [
        (1, "ready", 0, 1, "typed_through"),
        (1, "ready", 1, 0, "none"),
        (1, "ready", 1, 0, "none"),
        (0, "", 0, 0, ""),
    ]


def test_superseded_by_other_text_and_shown_again_it_is_the_same_one(editor: Editor) -> None:
    editor.type("y")
    name = editor.suggest(" = 1")
    editor.type("z")
    editor.nothing(editor.ask(), "empty")
    assert editor.lives("ending") == [("superseded",), ("none",)]
    editor.wait(0.3)
    editor.change(1, 1, 1, "")
    editor.suggest(" = 1", name)
    assert editor.lives("shown", "recalled", "ending") == [(1, 0, ""), (0, 0, "none"), (0, 1, "none")]
    editor.accept(name, " = 1")
    assert sum(row["shown"] == 1 for row in editor.rows.values()) == 1
    assert editor.lives("ending")[0] == ("accepted",)


def test_ignored_is_what_was_there_long_enough_to_be_read(editor: Editor) -> None:
    editor.type("y")
    editor.suggest(" = 1")
    editor.wait(0.875)
    editor.log.moved(URI)
    editor.type("z")
    editor.suggest(" = 2")
    editor.wait(0.5)
    editor.log.moved(URI)
    assert editor.lives("ending", "visible_us") == [("ignored", 875_000), ("superseded", 500_000)]


def test_answered_but_never_on_the_screen(editor: Editor) -> None:
    editor.ledger.shown(editor.answer(editor.ask(), "first"))  # it reports what it shows
    editor.log.moved(URI)
    editor.type("y")
    editor.answer(editor.ask(), " = 1")
    editor.wait(3)
    editor.type("z")
    assert editor.lives("origin", "response", "shown", "ending")[1:2] == [("typed", "ready", 0, "none")]


def test_the_newer_request_of_one_opportunity_goes_on_with_its_row(editor: Editor) -> None:
    editor.type("y")
    old, new = editor.ask(), editor.ask()
    editor.nothing(old, "superseded")
    name = editor.answer(new, " = 1")
    editor.nothing(old, "cancelled")
    assert editor.lives("response", "ending") == [("ready", "")]
    editor.ledger.shown(name)
    assert editor.lives("shown") == [(1,)]


def test_a_late_answer_serves_what_was_typed_meanwhile(editor: Editor) -> None:
    editor.type("y")
    old = editor.ask()
    editor.type("z")
    editor.nothing(old, "stale")
    editor.suggest(" = 1")
    assert editor.lives("attempted", "response", "shown") == [(1, "late", 0), (1, "ready", 1)]


def test_who_asks_or_only_moves_makes_no_opportunity(editor: Editor) -> None:
    editor.nothing(editor.ask(), "gated")
    editor.type("y")
    editor.nothing(editor.ask(), "gated")
    editor.nothing(editor.ask(explicit=True), "empty")
    editor.log.moved(URI)
    editor.nothing(editor.ask(), "off")
    assert editor.lives("origin", "attempted") == [("unprompted", 1), ("typed", 1), ("invoked", 1), ("unprompted", 0)]


def test_what_is_no_opportunity_is_told_apart(editor: Editor) -> None:
    editor.type("y")
    editor.paste(" = compute(1, 2) and more")
    editor.wait(1)
    editor.change(1, 1, 25, "")  # as an undo brings it back
    assert editor.lives("origin", "typed") == [("typed", 1), ("paste", 25), ("undo", 0)]


def test_what_is_left_is_looked_at_four_times(editor: Editor) -> None:
    editor.type("y")
    name = editor.suggest(" = x + 1")
    editor.accept(name, " = x + 1")
    editor.wait(30)
    editor.change(0, 0, 0, "import os\n")
    editor.wait(90)
    editor.change(2, 5, 4, "")  # y = x
    for _ in range(2):
        editor.wait(300)
    row = next(iter(editor.rows.values()))
    assert [row[f"retained_{seconds}"] for seconds in (30, 120, 300, 600)] == [1.0, 1.0, 0.5, 0.5]
    assert not editor.timers


def test_a_document_that_was_closed_is_not_looked_at(editor: Editor) -> None:
    editor.type("y")
    editor.accept(editor.suggest(" = x + 1"), " = x + 1")
    editor.wait(30)
    editor.log.closed(URI)
    editor.wait(1000)
    row = next(iter(editor.rows.values()))
    assert [row[f"retained_{seconds}"] for seconds in (30, 120)] == [1.0, None]


def test_a_session_that_ends_lets_what_is_open_expire(editor: Editor) -> None:
    editor.type("y")
    editor.suggest(" = 1")
    editor.log.stop()
    assert editor.lives("ending") == [("expired",)]


def test_a_client_that_reports_nothing(editor: Editor) -> None:
    editor.type("y")
    editor.answer(editor.ask(), " = 1")
    editor.type("z", pause=0.0625)  # too soon to have been seen
    editor.answer(editor.ask(), " = 2")
    editor.type("q", pause=0.5)
    editor.answer(editor.ask(), " = x + 1")
    editor.wait(1)
    editor.paste(" = x + 1")
    editor.type("\n")
    assert editor.lives("origin", "shown", "ending", "inferred")[:4] == [
        ("typed", 0, "none", ""),
        ("typed", 1, "superseded", "shown"),
        ("typed", 1, "accepted", "accepted"),
        ("accepted", 0, "none", ""),
    ]
    assert editor.lives("accepted_characters")[2] == (8,)


def test_what_was_inferred_gives_way_to_what_is_said(editor: Editor) -> None:
    editor.type("y")
    name = editor.answer(editor.ask(), " = x + 1")
    editor.paste(" = x + 1")
    editor.ask()
    assert editor.lives("inferred", "accepted_characters")[0] == ("accepted", 8)
    editor.ledger.accepted(name)
    assert editor.lives("inferred", "accepted_characters", "ending")[0] == ("", 8, "accepted")


def test_next_edits_have_lives_too(editor: Editor) -> None:
    """All proposals for one settled edit are one row: shown once, accepted once, with the characters of each."""
    nothing = editor.log.settled("python")
    editor.log.searched(nothing, {"total": 5.0})
    row = editor.log.settled("python")
    for name in ("e1", "e2", "e3"):
        editor.log.offered(row, name, "new text")
        editor.ledger.answered(name, "new text", "python", {})
    editor.log.searched(row, {"total": 90.0, "model": 80.0})
    editor.ledger.shown("e1")
    editor.ledger.rejected("e1")
    editor.ledger.accepted("e2")
    editor.ledger.accepted("e3")
    ignored = editor.log.settled("python")
    editor.log.offered(ignored, "e4", "x")
    editor.ledger.answered("e4", "x", "python", {})
    editor.ledger.shown("e4")
    editor.log.settled("python")
    columns = "kind", "origin", "response", "shown", "ending", "characters", "accepted_characters"
    assert editor.lives(*columns) == [
        ("next_edit", "settled", "empty", 0, "none", 0, 0),
        ("next_edit", "settled", "ready", 1, "accepted", 24, 16),
        ("next_edit", "settled", "ready", 1, "superseded", 1, 0),
        ("next_edit", "settled", "", 0, "", 0, 0),
    ]
    assert editor.lives("total_us", "model_us")[1] == (90_000, 80_000)


def test_a_clock_that_jumps_back_changes_no_order_and_no_duration(editor: Editor) -> None:
    walls = iter([5_000.0, 1_000.0, 3_000.0])
    editor.log._wall = lambda: next(walls)
    editor.type("y")
    editor.suggest(" = 1")
    editor.wait(1)
    editor.type("z")
    assert editor.lives("seq", "at_ms", "visible_us") == [(0, 5_000_000, 1_250_000), (1, 1_000_000, None)]


def test_nothing_is_logged_without_a_run(editor: Editor) -> None:
    editor.type("y")
    editor.log.begin(None)
    so_far = len(editor.rows)
    editor.type("z")
    editor.suggest(" = 1")
    assert len(editor.rows) == so_far


def test_code_is_kept_only_where_it_is_wanted(editor: Editor) -> None:
    editor.type("y")
    editor.ledger.rejected(editor.suggest(" = 1"))
    assert editor.captures == []
    editor.log.capture = True
    editor.type("z")
    editor.accept(editor.suggest(" = 2"), " = 2")
    editor.type("\n")
    (capture,) = editor.captures
    assert (capture.prefix, capture.text, capture.accepted) == ("x = 1\nyz", " = 2", " = 2")


def test_what_is_under_way_when_it_is_switched_off_leaves_nothing(editor: Editor) -> None:
    editor.log.capture = True
    editor.type("y")
    ticket, row = editor.ask(), editor.log.settled("python")
    editor.log.begin(None)
    so_far = editor.lives("response", "ending")
    editor.answer(ticket, " = 1")
    editor.log.offered(row, "e1", "new text")
    editor.log.searched(row, {"total": 5.0})
    editor.log.closed(URI)
    assert (editor.lives("response", "ending"), editor.captures) == (so_far, [])


@pytest.mark.parametrize("switch_off", ["capture", "log"])
@pytest.mark.parametrize("answered", [False, True])
def test_code_is_kept_no_longer_than_it_is_wanted(editor: Editor, switch_off: str, answered: bool) -> None:
    editor.log.capture = True
    editor.type("y")
    ticket = editor.ask()
    name = editor.answer(ticket, " = 1") if answered else ""
    editor.ledger.shown(name)
    if switch_off == "capture":
        editor.log.capture = False
    else:
        editor.log.begin(None)
    if not answered:
        name = editor.answer(ticket, " = 1")
        editor.ledger.shown(name)
    editor.accept(name, " = 1")
    editor.type("\n")
    editor.log.closed(URI)
    assert editor.captures == []
    editor.log.capture = True
    editor.ledger.rejected(name)
    assert editor.captures == []


def test_no_row_holds_code(editor: Editor) -> None:
    editor.type("y")
    editor.accept(editor.suggest(" = secret_name"), " = secret_name")
    text = repr(list(editor.rows.values()))
    assert not any(word in text for word in ("secret_name", "a.py", "file:"))


def test_an_event_takes_next_to_nothing_of_the_loop() -> None:
    """Processor time of this thread at p99, each event of a life by itself: far below 1 ms."""
    editor = Editor()
    took: list[float] = []
    for name in ("changed", "asked", "answered", "heard"):
        call = getattr(editor.log, name)

        def timed(*args: object, call: Callable[..., object] = call) -> object:
            begin = time.thread_time_ns()
            result = call(*args)
            took.append((time.thread_time_ns() - begin) / 1e6)
            return result

        setattr(editor.log, name, timed)
    editor.ledger = Ledger(editor.log.heard)
    for _ in range(500):
        editor.type("y")
        editor.accept(editor.suggest(" = 1"), " = 1")
    assert len(took) >= 2500
    assert sorted(took)[int(0.99 * len(took))] < 1.0

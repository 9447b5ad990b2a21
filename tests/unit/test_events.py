"""The life of suggestions: what is an event, what is counted, what is ignored."""

from __future__ import annotations

import pytest

from foretype.lsp.events import Event, Ledger, utf16_length


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def ledger(events: list[Event]) -> Ledger:
    ledger = Ledger(events.append)
    ledger.answered("s", "😀 = 1", "python", {"model": 5.0})  # 6 UTF-16 units
    return ledger


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_shown_counts_once(ledger: Ledger, events: list[Event]) -> None:
    ledger.shown("s")
    ledger.shown("s")
    assert kinds(events) == ["answered", "shown"]
    assert (events[0].units, events[0].stages_ms) == (6, {"model": 5.0})


def test_what_is_accepted_was_shown(ledger: Ledger, events: list[Event]) -> None:
    ledger.accepted("s")
    assert kinds(events) == ["answered", "shown", "accepted"]
    assert events[-1].units == 6


def test_partial_acceptances_add_to_one(ledger: Ledger, events: list[Event]) -> None:
    for length in (2, 2, 1, 4, 6, 6):  # cumulative; what does not grow says nothing new
        ledger.accepted("s", length)
    assert [(event.kind, event.units) for event in events[2:]] == [
        ("partially_accepted", 2),
        ("partially_accepted", 4),
        ("accepted", 6),
    ]
    counts = ledger.counts()
    assert (counts["shown"], counts["partially_accepted"], counts["accepted"]) == (1, 1, 1)


def test_the_rest_of_a_partly_accepted_one_is_not_rejected(ledger: Ledger) -> None:
    ledger.accepted("s", 2)
    ledger.rejected("s")
    counts = ledger.counts()
    assert (counts["partially_accepted"], counts["rejected"]) == (1, 0)


def test_what_is_over_or_unknown_is_ignored(ledger: Ledger, events: list[Event]) -> None:
    ledger.rejected("s")
    so_far = len(events)
    for identifier in ("s", "", "unknown"):
        ledger.shown(identifier)
        ledger.accepted(identifier, 3)
        ledger.rejected(identifier)
    assert len(events) == so_far


@pytest.mark.parametrize("length", [0, -5])
def test_nothing_taken_is_no_acceptance(ledger: Ledger, events: list[Event], length: int) -> None:
    ledger.accepted("s", length)
    assert kinds(events) == ["answered"]


def test_old_suggestions_are_forgotten(ledger: Ledger) -> None:
    for number in range(1000):
        ledger.answered(str(number), "x", "python", {})
    ledger.accepted("s")
    ledger.accepted("999")
    assert ledger.counts()["accepted"] == 1


def test_reasons_are_counted(ledger: Ledger) -> None:
    for reason in ("superseded", "cancelled", "superseded", "loading"):
        ledger.nothing(reason, "python")  # type: ignore[arg-type]
    counts = ledger.counts()
    assert (counts["superseded"], counts["cancelled"], counts["answered"]) == (2, 1, 1)
    assert ledger.reasons() == {"loading": 1, "superseded": 2, "cancelled": 1}


def test_length_is_in_utf_16_even_of_half_a_pair() -> None:
    assert [utf16_length(text) for text in ("", "é", "😀", "\ud800")] == [0, 1, 2, 1]

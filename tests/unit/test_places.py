"""Where the next edit may be due: what is found, in which order, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import Make, workspaces

from foretype.context import places
from foretype.context.next_edit import Diagnostic, EditedFile, Place
from foretype.context.text import Snapshot, split_lines

LOG = "def log(message):\n    print(message)\n\n\ndef warn(message):\n    print('!', message)\n"
USES = "from log import log\n\n\ndef main():\n    log('ready')\n    # log is quiet\n    run()\n    log('done')\n"
CART = "def total(items):\n    return sum(item.price for item in items)\n"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workspaces(tmp_path) as make:
        yield make


def edited(before: str, after: str, path: str = "log.py") -> tuple[EditedFile]:
    return (EditedFile(path, "python", before, after),)


NEW_LOG = LOG.replace("log(message):", "log(message, level):")


def lines(found: tuple[Place, ...], path: str) -> list[int]:
    return [place.start for place in found if place.path == path]


def test_references_of_what_was_given_another_head(make: Make) -> None:
    found = places.find(make(log=NEW_LOG, uses=USES, cart=CART), edited(LOG, NEW_LOG))
    assert lines(found, "uses.py")[:2] == [0, 4] or set(lines(found, "uses.py")) >= {0, 4, 7}
    assert not lines(found, "cart.py")
    assert (0, "log.py") not in {(place.start, place.path) for place in found}, "the edit itself"
    reference = next(place for place in found if (place.path, place.start) == ("uses.py", 4))
    assert reference.symbol == "log" and reference.sources[0] == "reference"
    assert reference.features["definition"] == 1.0
    assert reference.score == places.score(reference.features)


def test_references_of_a_name_that_is_gone(make: Make) -> None:
    renamed = LOG.replace("def log", "def record")
    found = places.find(make(log=renamed, uses=USES), edited(LOG, renamed))
    assert {0, 4, 7} <= set(lines(found, "uses.py"))
    assert all("dangling" in place.features for place in found if place.symbol == "log" and place.path == "uses.py")


def test_a_name_that_something_else_has_does_not_dangle(make: Make) -> None:
    renamed = LOG.replace("def log", "def record")
    found = places.find(make(log=renamed, uses=USES, other="def log(x):\n    return x\n"), edited(LOG, renamed))
    assert not any("dangling" in place.features for place in found)


def test_lines_that_look_like_what_was_changed(make: Make) -> None:
    before = "a = cells['a']\nb = cells['b']\nother()\nc = cells['c']\n"
    after = before.replace("cells['a']", "cells['a'].strip()")
    found = places.find(make(rows=after), edited(before, after, "rows.py"))
    alike = [place for place in found if "similar" in place.sources]
    assert [place.start for place in alike] == [1, 3]
    assert all(place.features["similar"] > 0.6 for place in alike)


def test_what_was_left_by_the_rules_comes_first(make: Make) -> None:
    left = Place("cart.py", 1, 2, ("reference",), 1.0, "log")
    found = places.find(make(log=NEW_LOG, uses=USES, cart=CART), edited(LOG, NEW_LOG), left=(left,))
    assert (found[0].path, found[0].start) == ("cart.py", 1)
    assert found[0].features["left"] == 1.0


def test_diagnostics_near_the_edit_or_about_its_names(make: Make) -> None:
    said = (
        Diagnostic("cart.py", 0, 1, "missing argument `level`"),
        Diagnostic("cart.py", 1, 2, "line too long"),
        Diagnostic("log.py", 1, 2, "unused"),
    )
    found = places.find(make(log=NEW_LOG, cart=CART), edited(LOG, NEW_LOG), diagnostics=said)
    assert {(place.path, place.start) for place in found if "diagnostic" in place.sources} == {
        ("cart.py", 0),
        ("log.py", 1),
    }


def test_around_the_cursor(make: Make) -> None:
    found = places.find(make(log=NEW_LOG, cart=CART), edited(LOG, NEW_LOG), cursor=("cart.py", 1))
    assert lines(found, "cart.py") == [1, 0]


def test_neighbours_of_what_was_put_in(make: Make) -> None:
    before = "RED = 1\nBLUE = 2\n\n\ndef name(color):\n    if color == RED:\n        return 'red'\n"
    after = before.replace("BLUE = 2\n", "GREEN = 3\nBLUE = 2\n")
    found = places.find(make(colors=after), edited(before, after, "colors.py"))
    assert 6 in lines(found, "colors.py")


def test_what_a_changed_line_calls(make: Make) -> None:
    before, after = "from log import log\nlog('a')\n", "from log import log\nlog('a', 1)\n"
    found = places.find(make(log=LOG, uses=after), edited(before, after, "uses.py"))
    place = next(place for place in found if place.path == "log.py")
    assert (place.start, place.features["callee"]) == (0, 1.0)


def test_comments_and_places_that_are_done_come_last(make: Make) -> None:
    uses = USES.replace("log('done')", "log('done', level)")
    found = places.find(make(log=NEW_LOG, uses=uses), edited(LOG, NEW_LOG))
    scores = {place.start: place.score for place in found if place.path == "uses.py"}
    assert scores[4] > scores[7]


def test_unsaved_text_goes_before_the_file(make: Make) -> None:
    workspace = make(log=NEW_LOG, rows="")
    text = "def show(message):\n    print(message)\n"
    workspace.opened(Snapshot("file:///rows.py", "rows.py", "python", 1, tuple(split_lines(text))))
    before, after = LOG.replace("    print(message)\n", "    print(message)\n"), NEW_LOG.replace("print(m", "emit(m")
    found = places.find(workspace, edited(before, after))
    assert 1 in lines(found, "rows.py")


@pytest.mark.parametrize("before", ["", LOG, "\x00", "\r\n" * 5])
def test_anything_may_have_been_edited(make: Make, before: str) -> None:
    for after in ("", LOG, "def (", "x" * 9000):
        assert isinstance(places.find(make(log=after), edited(before, after)), tuple)


def test_at_most_so_many_in_milliseconds(make: Make) -> None:
    many = "from log import log\n" + "log('x')\n" * 3000
    workspace = make(log=NEW_LOG, many=many, more=many)
    places.find(workspace, edited(LOG, NEW_LOG))
    started = time.process_time()
    found = places.find(workspace, edited(LOG, NEW_LOG))
    assert time.process_time() - started < 0.25
    assert len(found) == places.LIMIT
    assert len(places.find(workspace, edited(LOG, NEW_LOG), limit=7)) == 7

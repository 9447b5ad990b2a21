"""Questions for edits to the local backend: how likely nothing is, what is written, and what is not run twice."""

from __future__ import annotations

import math

import pytest
from scene import STOP, Scene
from tiny_model import ID

from foretype.context.rows import Window
from foretype.model.backend import BackendError, Cancel, Cancelled, EditQuestion, no_edits
from foretype.model.edit_format import EditRequest
from foretype.model.openai import OpenAIBackend

# in tokens of the tiny vocabulary: "x" "\n"
LINES = ("def a", "x", "y", "z")


def question(focus: tuple[int, int] = (1, 2), **more) -> EditQuestion:
    return EditQuestion(EditRequest("f", (), Window("f", 0, LINES), focus=focus), **more)


def test_a_model_that_would_do_nothing(vocab) -> None:
    scene = Scene(vocab, ord("0"), STOP)
    result = scene.backend.edit(question(), Cancel())
    assert (result.text, result.finish) == ("", "")
    assert result.window == (0, 4)
    assert result.gap < -5
    assert len(scene.engine.forwarded()) == 1, "one run tells"


def test_another_answer_is_written(vocab) -> None:
    scene = Scene(vocab, ord("2"), ord("\n"), ord("x"), ord("("), ord(")"), STOP)
    result = scene.backend.edit(question(), Cancel())
    assert (result.text, result.finish) == ("2\nx()", "stop")
    assert result.gap > 5
    assert result.tokens == len(result.logprobs) == 5
    assert scene.engine.forwarded()[1][:2] == (ord("2"), ord("\n")), "drafted from the lines as they stand"


def test_at_least_so_much_likelier(vocab) -> None:
    scene = Scene(vocab, (ord("2"), ord("0")), ord("\n"))
    assert scene.backend.edit(question(least_gap=2.0), Cancel()).finish == ""
    scene = Scene(vocab, (ord("2"), ord("0")), ord("\n"), STOP)
    assert scene.backend.edit(question(least_gap=0.5), Cancel()).finish == "stop"


def test_what_it_would_write_if_it_had_to(vocab) -> None:
    scene = Scene(vocab, (ord("0"), ord("3")), ord("\n"), ord("w"), STOP)
    result = scene.backend.edit(question(least_gap=-5.0), Cancel())
    assert result.text == "3\nw"
    assert -1.5 < result.gap < -0.5
    assert len(result.logprobs) == 3 and result.logprobs[0] == pytest.approx(math.log(1 / (1 + math.e)), abs=1e-3)


def test_nothing_is_written_with_no_tokens(vocab) -> None:
    scene = Scene(vocab, ord("2"), ord("\n"))
    result = scene.backend.edit(question(max_tokens=0), Cancel())
    assert result.finish == "" and result.gap > 5


def test_an_answer_that_does_not_end(vocab) -> None:
    scene = Scene(vocab, ord("2"), ord("\n"), *[ord("w")] * 40)
    result = scene.backend.edit(question(max_tokens=5), Cancel())
    assert (result.text, result.finish, result.tokens) == ("2\nwww", "length", 5)


def test_an_answer_that_says_the_line_as_it_stands_is_given_again(vocab) -> None:
    """Second best where it was least sure: "w" for the "x" that line 2 has."""
    scene = Scene(vocab, ord("2"), ord("\n"), (ord("x"), ord("w")), STOP, STOP)
    result = scene.backend.edit(question(), Cancel())
    assert (result.text, result.finish) == ("2\nw", "stop")
    assert result.tokens == len(result.logprobs) == 3
    assert result.logprobs[-1] == pytest.approx(math.log(1 / (1 + math.e)), abs=1e-3)


def test_it_is_given_again_once(vocab) -> None:
    """Asked about a line that neither answer begins like, so that nothing is drafted."""
    scene = Scene(vocab, (ord("2"), ord("3")), ord("\n"), ord("x"), STOP, ord("\n"), ord("y"), STOP)
    result = scene.backend.edit(question((0, 1)), Cancel())
    assert result.text == "3\ny", "which is unchanged too"


def test_an_answer_of_other_lines_than_those_shown_may_be_long(vocab) -> None:
    scene = Scene(vocab, ord("2"), ord("\n"), *[ord("w")] * 80, STOP)
    result = scene.backend.edit(question(), Cancel())
    assert (len(result.text), result.finish) == (82, "stop")


def test_the_beginning_that_two_places_share_is_read_once(vocab) -> None:
    scene = Scene(vocab)
    first = scene.backend.edit(question((3, 4), max_tokens=0), Cancel())
    second = scene.backend.edit(question((2, 3), max_tokens=0), Cancel())
    assert first.cached_tokens == 0
    assert second.cached_tokens > 2


def test_lines_that_are_too_wide(vocab) -> None:
    request = EditRequest("f", (), Window("f", 0, ("x" * 900,)), focus=(0, 1))
    result = Scene(vocab).backend.edit(EditQuestion(request), Cancel())
    assert result.window is None and result.finish == ""


def test_a_cache_that_is_too_small(vocab) -> None:
    with pytest.raises(BackendError, match=r"raise model\.context_tokens"):
        Scene(vocab, capacity=8).backend.edit(question(), Cancel())


def test_cancelled(vocab) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        Scene(vocab).backend.edit(question(), cancel)


def test_completions_go_on_as_before(vocab) -> None:
    scene = Scene(vocab, ord("0"), ID["Ġa"], STOP)
    scene.backend.edit(question(), Cancel())
    assert scene.complete("a\n", "\n").text == " a"


def test_a_remote_backend_says_that_it_cannot() -> None:
    backend = OpenAIBackend("http://127.0.0.1:1", "m")
    try:
        with pytest.raises(BackendError, match="cannot propose next edits"):
            backend.edit(question(), Cancel())
    finally:
        backend.close()
    assert "model.backend" in str(no_edits("x"))

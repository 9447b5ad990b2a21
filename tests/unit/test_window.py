"""How much of a file the local backend reads, from where, and what typing on costs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import Scene

from foretype.model.backend import Cancelled
from foretype.model.tokenizer import Vocab


def lines(count: int, width: int = 10) -> str:
    """Lines of so many tokens each, none like another (digits are never merged)."""
    return "".join(f"{number:0{width - 1}d}\n" for number in range(count))


@pytest.mark.parametrize("budget", [(40, 8), (100, 0), (256, 64)])
def test_budget(vocab, budget):
    scene = Scene(vocab, prefix=budget[0], suffix=budget[1])
    result = scene.complete(lines(500) + "x", lines(500))
    assert budget[0] - 10 <= result.prefix_tokens <= budget[0]
    assert result.suffix_tokens == budget[1]


def test_the_window_begins_with_a_whole_line_and_ends_at_the_cursor(vocab):
    text = lines(500)
    prompt = Scene(vocab, prefix=45).parts(text, "")
    assert prompt == f"<|fim_prefix|>{text[-40:]}<|fim_suffix|><|fim_middle|>"


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        ("x = 1; " * 20_000, "y = 2; " * 20_000),
        ("1" * 100_000, "2" * 100_000),
        (" " * 100_000, " " * 100_000),
        ("🙂" * 20_000, "🙂" * 20_000),
        ("1" * 100_000 + "\n", "\n" + "2" * 100_000),
        ("\n" * 100_000, "\n" * 100_000),
        ("1\r" * 50_000, "2\r" * 50_000),
    ],
    ids=["one line", "digits", "spaces", "emoji", "long line above", "empty lines", "old mac"],
)
def test_files_with_very_long_lines(vocab, monkeypatch, prefix, suffix):
    encoded = []
    monkeypatch.setattr(vocab, "encode", lambda text: encoded.append(len(text)) or Vocab.encode(vocab, text))
    scene = Scene(vocab, *b"1abc")
    result = scene.complete(prefix + "|1", "2|" + suffix, max_tokens=3)
    assert result.text == "abc"
    # the end of a line is cut by characters, of which each can be four tokens
    assert 30 < result.prefix_tokens <= 256 + 4 * 256
    assert result.suffix_tokens == 64
    assert sum(encoded) < 20_000
    before, after, typed = map(vocab.decode, scene.sides(prefix + "|1", "2|" + suffix))
    assert (prefix + "|").encode().endswith(before + typed)
    assert ("2|" + suffix).encode().startswith(after)


def test_a_line_above_that_is_too_long_is_cut_rather_than_left_out(vocab):
    shown = Scene(vocab, prefix=40).parts("1" * 5000 + "end\nx", "")
    before = shown.removeprefix("<|fim_prefix|>").split("<|fim_suffix|>")[0]
    assert before.endswith("11end\n")
    assert 20 <= len(before) <= 40


# Typing on


def test_typing_reads_only_what_is_new(vocab):
    scene = Scene(vocab)
    start = lines(20)
    typed = "    return x(y, count"
    first = scene.complete(start, "\nend\n")
    assert first.cached_tokens == 0
    read = []
    for size in range(1, len(typed) + 1):
        result = scene.complete(start + typed[:size], "\nend\n", max_tokens=1)
        read.append(result.prompt_tokens - result.cached_tokens)
    assert max(read) <= 3


def test_accepting_an_answer_reads_none_of_it_again(vocab):
    scene = Scene(vocab, *b"= (b + c)")
    answer = scene.complete("x\ny =", "\n").text
    assert answer == " (b + c)"
    again = scene.complete("x\ny =" + answer, "\n")
    # the bracket is left to the decoder, and the token before it gives the logits
    assert again.prompt_tokens - again.cached_tokens == 1


def test_going_back_in_the_line_reads_one_token(vocab):
    scene = Scene(vocab)
    scene.complete("a\nx = f(y, z", "")
    result = scene.complete("a\nx = f(y", "")
    assert result.prompt_tokens - result.cached_tokens == 1


def window(scene: Scene, text: str) -> str:
    return scene.parts(text, "").split("<|fim_suffix|>")[0].removeprefix("<|fim_prefix|>")


def test_the_windows_left_edge_stays_until_its_slack_is_used_up(vocab):
    """New lines are appended: the edge moves seldom, and in between all before the new line is in the cache."""
    scene = Scene(vocab, prefix=100, suffix=8)
    text = lines(200)
    edges, sizes = [], []
    for count in range(50, 100):
        shown = window(scene, text[: count * 10])
        assert text[: count * 10].endswith(shown)
        edges.append(count * 10 - len(shown))
        sizes.append(len(shown))
    moves = [after - before for before, after in pairwise(edges) if after != before]
    # 25 tokens of slack are two lines of 10 tokens, the third moves the edge
    assert moves == [30] * 16
    assert (min(sizes), max(sizes)) == (100, 120)


def test_the_window_stays_within_a_line(vocab):
    scene = Scene(vocab, prefix=100)
    text = lines(50)
    shown = {window(scene, text + "    return count(a, b)"[:size]) for size in range(20)}
    assert shown == {text[-100:]}


def test_the_window_follows_an_edit_above(vocab):
    scene = Scene(vocab, prefix=100)
    text = lines(50)
    assert window(scene, text) == text[-100:]
    assert window(scene, "new\n" + text) == text[-100:]
    assert window(scene, text[:-50]) == text[-150:-50]


def test_another_file_has_a_window_of_its_own(vocab):
    scene = Scene(vocab, prefix=100)
    text = lines(50)
    window(scene, text[:-20])
    assert len(window(scene, text)) == 120
    assert len(scene.sides(text, path="copy.py")[0]) == 100


def test_the_window_grows_back_after_a_jump_up(vocab):
    scene = Scene(vocab, prefix=600)
    text = lines(200)
    window(scene, text)
    assert window(scene, text[:-290]) == text[-600:-290]
    # less than half of the budget would be left of it
    assert window(scene, text[:-310]) == text[-910:-310]


def test_a_huge_line_that_is_typed_on_is_not_read_again_each_time(vocab):
    scene = Scene(vocab)
    line = "x = f(a, b); " * 10_000
    scene.complete(line, "")
    read = []
    for size in range(1, 40):
        scene.engine.forwarded()
        result = scene.complete(line + "counter + "[: size % 10 + 1] * (size // 10 + 1), "", max_tokens=1)
        read.append(result.prompt_tokens - result.cached_tokens)
    assert sorted(read)[len(read) // 2] <= 20


def test_reset(vocab):
    scene = Scene(vocab)
    scene.complete("a\nb", "")
    scene.backend.reset()
    assert scene.engine.length == 0
    assert scene.complete("a\nb", "").cached_tokens == 0


EDITS = st.tuples(st.integers(0, 400), st.integers(0, 30), st.text("ab1\n\r é", max_size=30), st.booleans())


@settings(deadline=None, max_examples=60)
@given(edits=st.lists(EDITS, max_size=8))
def test_any_editing_leaves_prompts_whole_and_the_cache_right(vocab, edits):
    """The prompt is always the text around the cursor, within its budget, and the engine holds just that."""
    scene = Scene(vocab, prefix=60, suffix=10)
    text, cursor = lines(40), 200
    for place, removed, added, cancelled in edits:
        cursor = min(place, len(text))
        text = text[:cursor] + added + text[cursor + removed :]
        cursor += len(added)
        if cancelled:
            scene.engine.interrupt_after = 3
            with pytest.raises(Cancelled):
                scene.complete(text[:cursor], text[cursor:])
            scene.engine.interrupt_after = None
        before, after, typed = scene.sides(text[:cursor], text[cursor:])
        shown, whole = vocab.decode(before + typed), text[:cursor].encode()
        # the last tokens of the line are left to the decoder: four of seven bytes at most
        assert any(whole[: len(whole) - left].endswith(shown) for left in range(29))
        assert text[cursor:].encode().startswith(vocab.decode(after))
        assert len(before) <= 75
        assert len(after) <= 10

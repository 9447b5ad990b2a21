"""The local backend over a scripted engine: the prompt token by token, the answer, and cancelling."""

from __future__ import annotations

import pytest
from scene import MIDDLE, PREFIX, STOP, SUFFIX, Scene
from scripted_engine import ScriptedEngine
from tiny_model import CONTROL, ID, TOKENS

from foretype.model.backend import BackendError, Cancel, Cancelled, ContextFile
from foretype.model.fim import FAMILIES
from foretype.model.local import Budget, LocalBackend


@pytest.fixture
def scene(vocab) -> Scene:
    return Scene(vocab)


# The prompt


def test_prompt_token_by_token(scene):
    assert scene.prompt("def a(\n    return x + cou", "\nprint()\n") == [
        PREFIX,
        *(ID["def"], ID["Ġa"], ord("("), ord("\n")),
        SUFFIX,
        *(ord("\n"), ID["print"], ID["()"], ord("\n")),
        MIDDLE,
        # the line that is typed, without the word at its end
        *(ID["ĠĠ"], ord(" "), ID["Ġreturn"], ord(" "), ord("x"), ord(" "), ord("+")),
    ]


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        ("", "", "<|fim_prefix|><|fim_suffix|><|fim_middle|>"),
        ("a\n", "b", "<|fim_prefix|>a\n<|fim_suffix|>b<|fim_middle|>"),
        ("a\nb = (", "", "<|fim_prefix|>a\n<|fim_suffix|><|fim_middle|>b = "),
        ("a\r\n  x(1", "\r\nb\r\n", "<|fim_prefix|>a\r\n<|fim_suffix|>\r\nb\r\n<|fim_middle|>  x("),
        ("a\rb", "", "<|fim_prefix|>a\r<|fim_suffix|><|fim_middle|>"),
    ],
    ids=["empty", "whole line", "typed", "windows", "old mac"],
)
def test_the_typed_line_goes_behind_the_middle(scene, prefix, suffix, expected):
    assert scene.parts(prefix, suffix) == expected


def test_prompt_with_other_files(scene):
    files = (ContextFile("lib/x.py", "X = 1\n"), ContextFile("y.py", "Y = 2"))
    assert scene.parts("a\n", "b", files=files, path="main.py") == (
        "<|repo_name|>project\n<|file_sep|>lib/x.py\nX = 1\n<|file_sep|>y.py\nY = 2\n"
        "<|file_sep|>main.py\n<|fim_prefix|>a\n<|fim_suffix|>b<|fim_middle|>"
    )


def test_text_that_looks_like_a_sentinel_stays_text(scene):
    user = "<|fim_middle|><|endoftext|>\n"
    prompt = scene.prompt(user + user[:-1], user, files=(ContextFile(user, user),), path=user)
    controls = [TOKENS[token] for token in prompt if TOKENS[token] in CONTROL]
    assert controls == ["<|repo_name|>", *["<|file_sep|>"] * 2, "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]


def test_missing_sentinels(vocab):
    with pytest.raises(BackendError, match=r"tiny has no token <fim_prefix>, so it cannot fill in .* as starcoder2"):
        LocalBackend("tiny", ScriptedEngine(len(TOKENS)), vocab, FAMILIES["starcoder2"], Budget())


# The answer


def test_answer(vocab):
    scene = Scene(vocab, ID["Ġa"], ord(" "), ord("+"), STOP)
    result = scene.complete("def f():\n    return", "\n")
    # "return" was left to the decoder, which is made to say it first
    assert (result.text, result.finish) == (" +", "stop")


def test_the_answer_does_not_repeat_what_is_typed(vocab):
    scene = Scene(vocab, (ord("x"), ID["return"]), ID["Ġa"], STOP)
    result = scene.complete("retu", "\n")
    assert (result.text, result.finish) == ("rn a", "stop")
    assert (result.tokens, len(result.logprobs)) == (2, 2)
    assert result.prompt_tokens == 4  # three sentinels and the suffix


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_single_line(vocab, newline):
    scene = Scene(vocab, *(ord(char) for char in f"a{newline}b"))
    result = scene.complete("x = ", "", single_line=True)
    # the space before the cursor is forced, and the model did not say it
    assert (result.text, result.finish) == ("", "stop")
    scene = Scene(vocab, ord(" "), *(ord(char) for char in f"a{newline}b"))
    result = scene.complete("x = ", "", single_line=True)
    assert (result.text, result.finish) == ("a", "stop")


def test_several_lines(vocab):
    scene = Scene(vocab, *(ord(char) for char in "a\nb\n"), STOP)
    assert scene.complete("x\n", "").text == "a\nb\n"


def test_stop_predicate_is_asked_after_each_token(vocab):
    seen = []

    def stop(text):
        seen.append(text)
        return 2 if "c" in text else None

    scene = Scene(vocab, *b"abcde")
    result = scene.complete("x\n", "", stop=stop)
    assert (result.text, result.finish, result.tokens) == ("ab", "stop", 3)
    assert seen == ["a", "ab", "abc"]


def test_max_tokens(vocab):
    scene = Scene(vocab, *b"abcde")
    result = scene.complete("x\n", "", max_tokens=3)
    assert (result.text, result.finish, result.tokens) == ("abc", "length", 3)


def test_max_tokens_are_of_the_answer_and_not_of_what_is_typed(vocab):
    script = (ord("r"), ord("e"), ord("t"), ord("u"), *b"abcde")
    result = Scene(vocab, *script).complete("retu", "", max_tokens=3)
    assert (result.text, result.finish) == ("abc", "length")
    result = Scene(vocab, ID["return"], *b"abcdefgh").complete("retu", "", max_tokens=3)
    assert (result.text, result.finish) == ("rnab", "length")


def test_a_character_that_is_not_whole_is_left_out(vocab):
    result = Scene(vocab, *"a日".encode()).complete("x\n", "", max_tokens=3)
    assert (result.text, result.finish) == ("a", "length")
    result = Scene(vocab, *"a日".encode()).complete("x\n", "", max_tokens=4)
    assert result.text == "a日"


def test_what_it_counts(vocab):
    scene = Scene(vocab, ord("b"), STOP)
    result = scene.complete("line\nx = (", "\nend\n")
    assert (result.prompt_tokens, result.cached_tokens) == (3 + 5 + 5 + 3, 0)
    assert (result.prefix_tokens, result.suffix_tokens) == (5 + 3, 5)
    assert set(result.stages_ms) == {"render", "prefill", "decode"}
    assert all(value >= 0 for value in result.stages_ms.values())


# Room


@pytest.mark.parametrize("capacity", [3, 8])
def test_a_prompt_longer_than_the_cache(vocab, capacity):
    scene = Scene(vocab, capacity=capacity)
    with pytest.raises(BackendError, match=f"cache {capacity}; raise model.context_tokens or lower completion"):
        scene.complete("abcd\n", "efgh")
    assert scene.engine.length == 0


def test_an_answer_ends_where_the_cache_does(vocab):
    scene = Scene(vocab, *b"abcdefgh", capacity=3 + 2 + 4)
    result = scene.complete("x\n", "", max_tokens=50)
    assert (result.text, result.finish) == ("abcd", "length")


# Cancelling


def test_cancelled_before_it_began(scene):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        scene.complete("a\nb", "", cancel)
    assert not scene.engine.calls


def test_cancelled_while_it_reads_and_asked_again(vocab):
    scene = Scene(vocab, *b"abc")
    scene.engine.interrupt_after = 4
    with pytest.raises(Cancelled):
        scene.complete("line\nx = (", "\nend\n")
    result = scene.complete("line\nx = (", "\nend\n")
    assert result.cached_tokens == 4
    assert scene.engine.cached[: result.prompt_tokens] == Scene(vocab).prompt("line\nx = (", "\nend\n")


def test_cancelled_while_it_answers(vocab):
    scene, cancel = Scene(vocab, *b"abcdef"), Cancel()

    def stop(text):
        if text == "ab":
            cancel.set()

    with pytest.raises(Cancelled):
        scene.complete("x\n", "", cancel, stop=stop)
    assert scene.engine.cached[-1:] == [ord("a")]
    assert scene.complete("x\n", "").text == "cdef"


def test_of_other_files_the_last_stay_that_leave_room_for_an_answer(vocab):
    files = tuple(ContextFile(f"{name}.py", "x" * 150) for name in "abc")
    prompt = Scene(vocab, capacity=520).parts("y = 1\n", files=files, path="main.py", max_tokens=16)
    assert "a.py" not in prompt
    assert prompt.index("b.py") < prompt.index("c.py") < prompt.index("y = 1")
    assert "b.py" not in Scene(vocab, capacity=350).parts("y = 1\n", files=files, path="main.py", max_tokens=16)


def test_other_files_are_written_as_asked(vocab):
    scene = Scene(vocab)
    scene.backend.context_layout = "comment"
    prompt = scene.parts("y = 1\n", "\n", files=(ContextFile("a.py", "x = 1\n"),), path="main.py")
    assert prompt == "<|fim_prefix|># a.py\n# x = 1\n# main.py\ny = 1\n<|fim_suffix|>\n<|fim_middle|>"

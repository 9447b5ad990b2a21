"""Decoding over a scripted engine: what of the cache is used again, what is forced, and where it ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_engine import ScriptedEngine
from tiny_model import ID, TOKENS

from foretype.model.backend import Cancel, Cancelled
from foretype.model.generate import Decoder, Prompt, Step, Text, heal

A, B, C, D, E = b"abcde"
STOP = ID["<|endoftext|>"]
STOPS = frozenset([STOP, ID["<|file_sep|>"]])


def scripted(*script, **options) -> ScriptedEngine:
    return ScriptedEngine(len(TOKENS), script, otherwise=STOP, **options)


def generate(engine, vocab, prompt: Prompt, limit: int = 50) -> list[Step]:
    cancel = Cancel()
    decoder = Decoder(engine, vocab)
    logits, _ = decoder.prefill(prompt.tokens, cancel)
    return list(decoder.stream(prompt, logits, limit, STOPS, cancel))


def answer(steps: list[Step]) -> bytes:
    return b"".join(step.text for step in steps)


# Reuse of the cache


@pytest.mark.parametrize(
    ("first", "second", "kept", "read"),
    [
        ([A, B, C], [A, B, C, D, E], 3, (D, E)),
        ([A, B, C], [A, B, D], 2, (D,)),
        ([A, B, C], [A, B], 1, (B,)),
        ([A, B, C], [A, B, C], 2, (C,)),
        ([A, B, C], [D, B, C], 0, (D, B, C)),
        ([A], [A], 0, (A,)),
    ],
    ids=["longer", "other end", "shorter", "the same", "nothing", "one token"],
)
def test_the_longest_common_prefix_is_not_read_again(vocab, first, second, kept, read):
    engine = scripted()
    decoder = Decoder(engine, vocab)
    assert decoder.prefill(first, Cancel())[1] == 0
    assert engine.forwarded() == [tuple(first)]
    assert decoder.prefill(second, Cancel())[1] == kept
    assert engine.forwarded() == [read]
    assert engine.cached == second


def test_generated_tokens_are_in_the_cache_too(vocab):
    engine = scripted(B, C, D)
    decoder = Decoder(engine, vocab)
    logits, _ = decoder.prefill([A], Cancel())
    assert [step.token for step in decoder.stream(Prompt((A,)), logits, 50, STOPS, Cancel())] == [B, C, D]
    engine.forwarded()
    assert decoder.prefill([A, B, C, D, E], Cancel())[1] == 4
    assert engine.forwarded() == [(E,)]


def test_reset_forgets_everything(vocab):
    engine = scripted()
    decoder = Decoder(engine, vocab)
    decoder.prefill([A, B, C], Cancel())
    decoder.reset()
    assert (engine.cached, engine.forwarded()) == ([], [(A, B, C)])
    assert decoder.prefill([A, B, C], Cancel())[1] == 0


@settings(deadline=None, max_examples=100)
@given(prompts=st.lists(st.tuples(st.text("ab", min_size=1, max_size=8), st.none() | st.integers(0, 7)), max_size=6))
def test_after_any_prompts_and_cancels_the_cache_holds_the_prompt(vocab, prompts):
    engine = scripted()
    decoder = Decoder(engine, vocab)
    for text, interrupted in prompts:
        tokens = list(text.encode())
        if interrupted is not None:
            engine.interrupt_after = interrupted
            with pytest.raises(Cancelled):
                decoder.prefill(tokens, Cancel())
            engine.interrupt_after = None
        assert decoder.prefill(tokens, Cancel())[0].shape == (1, len(TOKENS))
        assert engine.cached == tokens


# Cancelling


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_cancelled_prefill_is_gone_on_with(vocab, done):
    engine = scripted()
    decoder = Decoder(engine, vocab)
    decoder.prefill([A, B], Cancel())
    engine.interrupt_after = done
    with pytest.raises(Cancelled):
        decoder.prefill([A, B, C, D, E], Cancel())
    assert engine.cached == [A, B, C, D, E][: 2 + done]
    engine.forwarded()
    # the last token is read again if it was reached: its logits were lost
    assert decoder.prefill([A, B, C, D, E], Cancel())[1] == min(2 + done, 4)
    assert engine.forwarded() == [tuple([C, D, E][min(done, 2) :])]
    assert engine.cached == [A, B, C, D, E]


def test_cancelled_between_two_tokens(vocab):
    engine, cancel = scripted(B, C, D), Cancel()
    decoder = Decoder(engine, vocab)
    logits, _ = decoder.prefill([A], cancel)
    stream = decoder.stream(Prompt((A,)), logits, 50, STOPS, cancel)
    assert next(stream).token == B
    cancel.set()
    with pytest.raises(Cancelled):
        next(stream)
    engine.forwarded()
    assert decoder.prefill([A, B, C], Cancel())[1] == 1
    assert engine.cached == [A, B, C]


def test_an_engine_that_fails_leaves_the_record_right(vocab):
    engine = scripted(capacity=4)
    decoder = Decoder(engine, vocab)
    decoder.prefill([A, B], Cancel())
    with pytest.raises(ValueError, match="do not fit"):
        decoder.prefill([A, B, C, D, E], Cancel())
    assert decoder.prefill([A, B, C], Cancel())[1] == 2
    assert engine.cached == [A, B, C]


# Where it ends


@pytest.mark.parametrize("stop", sorted(STOPS))
def test_a_stop_token_ends_it_and_is_not_part_of_it(vocab, stop):
    steps = generate(scripted(B, C, stop, D), vocab, Prompt((A,)))
    assert [(step.token, step.text) for step in steps] == [(B, b"b"), (C, b"c")]


def test_limit(vocab):
    engine = scripted(B, C, D, E)
    assert answer(generate(engine, vocab, Prompt((A,)), limit=2)) == b"bc"
    # nothing is read whose logits nobody wants
    assert engine.forwarded() == [(A,), (B,)]
    assert generate(scripted(B), vocab, Prompt((A,)), limit=0) == []


def test_a_full_cache_ends_it(vocab):
    engine = scripted(B, C, D, E, capacity=3)
    assert answer(generate(engine, vocab, Prompt((A,)))) == b"bcd"
    assert engine.cached == [A, B, C]


def test_logprobs_are_natural_logarithms_of_the_softmax(vocab):
    step = generate(scripted((B, C)), vocab, Prompt((A,)), limit=1)[0]
    # the script gives 20 and 19 to the two, 0 to the others
    total = math.exp(20) + math.exp(19) + len(TOKENS) - 2
    assert step.logprob == pytest.approx(20 - math.log(total), abs=1e-6)


def test_logits_far_from_zero_are_no_overflow(vocab):
    decoder = Decoder(scripted(), vocab)
    logits = np.full(len(TOKENS), -1e4, np.float32)
    logits[B] = 1e4
    (step,) = decoder.stream(Prompt((A,)), logits, 1, STOPS, Cancel())
    assert (step.token, step.logprob) == (B, 0.0)


# Token healing


@pytest.mark.parametrize(
    ("typed", "tokens", "forced"),
    [
        ("retu", "", "retu"),
        ("retur", "", "retur"),  # the pieces "retu" and "r"
        ("x retu", "x", " retu"),
        ("x = cou", "x =", " cou"),
        ("(retu", "", "(retu"),
        ("a.co", "a", ".co"),
        ("x1", "x", "1"),
        ("x12", "x1", "2"),
        ("x ", "x", " "),
        ("    ", "", "    "),
        ("(", "", "("),
        ("", "", ""),
    ],
)
def test_heal_backs_up_to_where_the_word_began(vocab, typed, tokens, forced):
    prompt = heal(vocab, [STOP], typed)
    assert prompt.tokens[0] == STOP
    assert vocab.decode(prompt.tokens[1:]).decode() == tokens
    assert prompt.forced.decode() == forced


@settings(deadline=None, max_examples=200)
@given(typed=st.text(max_size=20) | st.text("retucon (é日_1", max_size=20))
def test_heal_loses_nothing(vocab, typed):
    prompt = heal(vocab, [STOP], typed)
    assert vocab.decode(prompt.tokens[1:]) + prompt.forced == typed.encode()


def test_a_long_word_is_given_up_only_so_far(vocab):
    prompt = heal(vocab, [], "x" * 50)
    assert 0 < len(prompt.forced) < 10


def test_only_what_agrees_with_the_typed_characters_is_chosen(vocab):
    prompt = heal(vocab, [A], "retu")
    # the model likes "print" and "x" better than the one word that goes on with "retu"
    steps = generate(scripted((ID["print"], ord("x"), ID["return"]), ID["Ġa"]), vocab, prompt)
    assert [step.token for step in steps] == [ID["return"], ID["Ġa"]]
    assert answer(steps) == b"rn a"


def test_a_stop_token_cannot_come_before_what_is_typed(vocab):
    steps = generate(scripted((STOP, ID["return"]), STOP), vocab, heal(vocab, [A], "retu"))
    assert answer(steps) == b"rn"


def test_forced_text_over_several_tokens(vocab):
    prompt = Prompt((A,), b"count1")
    engine = scripted((ID["print"], ID["co"]), (ID["counter"], ID["un"]), (ID["re"], ord("t")), ord("1"), ord("x"))
    steps = generate(engine, vocab, prompt)
    assert [step.token for step in steps] == [ID["co"], ID["un"], ord("t"), ord("1"), ord("x")]
    assert [step.text for step in steps] == [b"", b"", b"", b"", b"x"]


def test_a_token_that_is_longer_than_what_is_left_of_the_forced_text(vocab):
    steps = generate(scripted(ord("c"), (ID["return"], ord("o")), ID["un"]), vocab, Prompt((A,), b"cou"))
    assert [step.text for step in steps] == [b"", b"", b"n"]


def test_what_is_forced_is_free_afterwards(vocab):
    steps = generate(scripted(ID["retu"], ID["print"]), vocab, heal(vocab, [A], "retu"))
    assert [step.text for step in steps] == [b"", b"print"]


@settings(deadline=None, max_examples=100)
@given(forced=st.text(min_size=1, max_size=8).map(str.encode), seed=st.integers(0, 2**32 - 1))
def test_the_answer_goes_on_from_any_forced_text(vocab, forced, seed):
    """Whatever the model prefers, its tokens spell the forced bytes and then the answer."""
    rng = np.random.default_rng(seed)
    engine = scripted(*(rng.permutation(256).tolist() for _ in range(40)))
    steps = generate(engine, vocab, Prompt((A,), forced), limit=len(forced) + 1)
    spelled = vocab.decode([step.token for step in steps])
    assert spelled.startswith(forced)
    assert forced + answer(steps) == spelled


# Bytes to text


def test_a_character_in_several_tokens_waits_for_its_last(vocab):
    text = Text()
    assert [text.add(bytes([byte])) for byte in "é日🙂!".encode()] == [
        *("", "é"),
        *("é", "é", "é日"),
        *("é日", "é日", "é日", "é日🙂"),
        "é日🙂!",
    ]
    assert text.value == "é日🙂!"


def test_bytes_that_are_no_character_are_replaced(vocab):
    text = Text()
    text.add(b"a\xff")
    text.add(b"\xe6\x97")
    assert text.add(b"b") == "a\ufffd\ufffdb"


@settings(deadline=None)
@given(value=st.text(), size=st.integers(1, 4))
def test_text_does_not_depend_on_how_the_bytes_are_cut(value, size):
    text, raw = Text(), value.encode()
    for start in range(0, len(raw), size):
        text.add(raw[start : start + size])
    assert text.value == value


# How sure it was


def test_the_margin_is_to_the_second_best(vocab):
    first, second = generate(scripted((B, C), D), vocab, Prompt((A,)), limit=2)
    assert (first.margin, second.margin) == (1.0, 20.0)


def test_probabilities_of_forced_text_are_among_what_agrees_with_it(vocab):
    # nothing that begins with "retu" is likely, but of those "return" nearly certain
    script = (ID["print"], ord("x"), ID["return"], ID["retu"])
    (step,) = generate(scripted(script), vocab, Prompt((A,), b"retu"), limit=1)
    allowed = [18.0, 17.0] + [0.0] * (len(vocab.agreeing(b"retu")) - 2)
    assert step.logprob == pytest.approx(18 - math.log(sum(map(math.exp, allowed))), abs=1e-5)
    assert step.margin == 1.0


def test_the_only_token_that_is_allowed_is_certain(vocab):
    only = next(token for token in range(256) if len(vocab.agreeing(bytes([token]))) == 1)
    (step,) = generate(scripted(A), vocab, Prompt((A,), bytes([only])), limit=1)
    assert (step.token, step.logprob, step.margin) == (only, 0.0, 20.0)


@settings(deadline=None, max_examples=50)
@given(cached=st.lists(st.sampled_from([A, B]), min_size=1, max_size=6), tokens=st.lists(st.sampled_from([A, B])))
def test_common_counts_the_first_tokens_that_are_in_the_cache(vocab, cached, tokens):
    decoder = Decoder(scripted(), vocab)
    decoder.prefill(cached, Cancel())
    common = decoder.common(tokens)
    assert cached[:common] == tokens[:common]
    assert common == min(len(cached), len(tokens)) or cached[common] != tokens[common]

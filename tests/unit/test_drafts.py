"""Drafts: what is guessed from text that is there, how much of it is worth verifying, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import ID, TOKENS

from foretype.model.backend import Cancel
from foretype.model.drafts import MOST, Acceptance, Drafts
from foretype.model.generate import Decoder, Prompt, heal
from foretype.model.onnx import OnnxEngine

A, B, C, D, E, X, Y, Z = b"abcdexyz"
STOP = ID["<|endoftext|>"]


class Rule:
    """An engine whose next token is a function of the tokens so far: the script's next one, or what `rule` says."""

    def __init__(self, rule, capacity: int = 256) -> None:
        self.vocabulary, self.capacity, self.length = len(TOKENS), capacity, 0
        self.cached: list[int] = []
        self.runs: list[int] = []
        self._rule = rule

    def forward(self, tokens, cancel: Cancel, keep: int = 1) -> np.ndarray:
        cancel.check()
        assert 0 < keep <= len(tokens)
        assert self.length + len(tokens) <= self.capacity
        self.runs.append(len(tokens))
        self.cached += tokens
        self.length = len(self.cached)
        rows = np.zeros((keep, self.vocabulary), np.float32)
        for row, end in zip(rows, range(self.length - keep + 1, self.length + 1), strict=True):
            for rank, token in enumerate(self._rule(tuple(self.cached[:end]))):
                row[token] = 20 - rank
        return rows

    def crop(self, length: int) -> None:
        del self.cached[length:]
        self.length = length


def dictated(text, start: int = 1) -> Rule:
    """Prefers that text after the first `start` tokens, whatever they are."""
    return Rule(lambda tokens: [[*text, STOP][min(len(tokens) - start, len(text))]])


def write(engine, vocab, prompt: Prompt, drafts: Drafts | None = None, limit: int = 60, drafted=()):
    decoder = Decoder(engine, vocab)
    logits, _ = decoder.prefill(prompt.tokens, Cancel(), drafted)
    return list(decoder.stream(prompt, logits, limit, frozenset([STOP]), Cancel(), drafts))


def drafts(*corpora, history=(), acceptance=None, **options) -> Drafts:
    return Drafts(corpora, history, acceptance or Acceptance(step_share=0.01), **options)


# Guesses


def test_what_followed_the_last_tokens_is_proposed():
    assert drafts([A, B, C, D, E], history=[X, A, B]).propose(8) == [C, D, E]


def test_the_longest_match_wins_over_a_later_one():
    assert drafts([A, B, C, D], [Y, B, X, X], history=[A, B]).propose(1) == [C]


def test_of_equal_matches_the_latest_wins():
    assert drafts([A, B, C], [A, B, D], history=[A, B]).propose(1) == [D]


def test_the_answer_itself_is_looked_into():
    found = drafts(history=[A, B, C])
    for token in (D, A, B):
        found.follow(token)
    assert found.propose(4) == [C, D, A, B]


def test_nothing_known_nothing_proposed():
    assert drafts().propose(8) == []
    assert drafts([A, B, C]).propose(8) == []
    assert drafts([A, B, C], history=[X]).propose(8) == []
    assert drafts([A, B], history=[B]).propose(8) == []
    assert drafts([A, B, C], history=[A]).propose(0) == []


def test_no_draft_runs_from_one_text_into_another():
    assert drafts([A, B], [X, Y], history=[A]).propose(8) == [B]
    # and no match does: "b" ends one and "x" begins the next
    assert drafts([B], [X, Y], history=[B, X]).propose(8) == [Y]


def test_a_draft_ends_before_what_ends_the_answer():
    assert drafts([A, B, C, D], history=[A], ends=lambda token: token == D).propose(8) == [B, C]
    assert drafts([A, B, C, D], history=[A], ends=lambda token: token == B).propose(8) == []


def test_an_edit_begins_with_the_lines_that_it_replaces():
    assert drafts(original=[A, B, C]).propose(8) == [A, B, C]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([A, B, X], [D, E]),  # "x" stands for "c"
        ([A, B, D], [E]),  # "c" is gone
        ([A, B, X, Y, Z, X, Y, C], [D, E]),  # something was put in
    ],
    ids=["replaced", "deleted", "inserted"],
)
def test_behind_a_change_the_old_lines_go_on(written, expected):
    found = drafts(original=[A, B, C, D, E])
    for token in written:
        found.propose(8)
        found.follow(token)
    assert found.propose(8) == expected


# How many


def test_a_surer_guess_makes_a_longer_draft():
    acceptance = Acceptance()
    lengths = [acceptance.worth(False, match, MOST) for match in range(9)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0 < lengths[2] < lengths[8] <= MOST
    assert acceptance.worth(False, 8, 2) == 2


def test_no_draft_where_a_further_token_costs_a_step():
    assert Acceptance(step_share=1.0).worth(True, 8, MOST) == 0
    assert Acceptance(step_share=0.0).worth(False, 1, MOST) == MOST


def test_drafts_that_fail_are_given_up_and_come_back():
    acceptance = Acceptance()

    def answer(goes_on: bool) -> int:
        found = Drafts([[A, B, C]], [A], acceptance)
        proposed = len(found.propose(1))
        found.follow(B if goes_on else X)
        return proposed

    assert answer(False) == 1
    assert [answer(False) for _ in range(200)][-1] == 0
    # nothing is verified any more, and yet it is seen that the guesses are right again
    assert [answer(True) for _ in range(200)][-1] == 1


# In the decoder


def test_a_real_engine_says_the_same_with_drafts(tiny_build, vocab):
    engine = OnnxEngine(tiny_build, 256, threads=1)
    prompts = [vocab.encode(text) for text in ("def f():\n    return", "count count count", "x = [a, b, a, b, a")]
    for tokens in prompts:
        prompt = Prompt(tuple(tokens))
        plain = write(engine, vocab, prompt)
        # its own answer is the best corpus, so that drafts are long and nearly all of them right
        drafted = write(engine, vocab, prompt, drafts([step.token for step in plain], history=tokens))
        different = [one for one, other in zip(plain, drafted, strict=True) if one.token != other.token]
        assert all(step.margin < 1e-2 for step in different[:1])
        assert [step.logprob for step in drafted] == pytest.approx([step.logprob for step in plain], abs=1e-3)


def test_what_is_drafted_takes_fewer_runs(vocab):
    text = [*range(65, 91)]
    plain, drafted = dictated(text), dictated(text)
    expected = [step.token for step in write(plain, vocab, Prompt((A,)))]
    found = write(drafted, vocab, Prompt((A,)), drafts(original=text))
    assert [step.token for step in found] == expected == text
    assert len(plain.runs) == 27
    assert len(drafted.runs) <= 4


def test_a_draft_that_is_wrong_leaves_nothing_behind(vocab):
    engine = dictated([B, C, X, Y])
    found = write(engine, vocab, Prompt((A,)), drafts(original=[B, C, D, E]), limit=4)
    assert [step.token for step in found] == [B, C, X, Y]
    assert engine.cached[:4] == [A, B, C, X]


def test_the_next_prompt_keeps_what_was_right(vocab):
    engine = dictated([B, C, X, Y])
    decoder = Decoder(engine, vocab)
    logits, _ = decoder.prefill([A], Cancel())
    list(decoder.stream(Prompt((A,)), logits, 50, frozenset([STOP]), Cancel(), drafts(original=[B, C, D, E])))
    assert decoder.prefill([A, B, C, X, Y, Z], Cancel())[1] == 5
    assert engine.cached == [A, B, C, X, Y, Z]


def test_drafts_in_the_prompts_own_run(vocab):
    engine = dictated([B, C, D])
    found = write(engine, vocab, Prompt((A,)), limit=3, drafted=[B, C, X])
    assert [step.token for step in found] == [B, C, D]
    assert engine.runs == [4]


def test_drafts_do_not_overfill_the_cache(vocab):
    for capacity in range(1, 8):
        plain, drafted = dictated([B, C, D, E, X]), dictated([B, C, D, E, X])
        plain.capacity = drafted.capacity = capacity
        expected = write(plain, vocab, Prompt((A,)))
        assert write(drafted, vocab, Prompt((A,)), drafts(original=[B, C, D, E, X]), drafted=[B, C, D]) == expected


@pytest.mark.parametrize("typed", ["return", "x = count", "counter", "a.count1", "unprint"])
def test_a_whole_word_is_healed_in_the_prompts_own_run(vocab, typed):
    prompt = heal(vocab, [A], typed)
    engine = dictated([*prompt.drafted, X, Y], start=len(prompt.tokens))
    steps = write(engine, vocab, prompt, limit=len(prompt.drafted) + 2, drafted=prompt.drafted)
    assert b"".join(step.text for step in steps) == b"xy"
    assert len(engine.runs) == 2


def test_half_a_word_is_healed_in_one_more_run(vocab):
    prompt = heal(vocab, [A], "retu")
    engine = dictated([ID["return"], X], start=len(prompt.tokens))
    steps = write(engine, vocab, prompt, limit=2, drafted=prompt.drafted)
    assert [step.text for step in steps] == [b"rn", b"x"]
    assert len(engine.runs) == 2


def test_what_is_left_of_a_word_is_verified_at_once(vocab):
    # the model has another way to begin than the tokenizer; the rest is the tokenizer's
    engine = dictated([ID["re"], ord("t"), ord("u"), X])
    steps = write(engine, vocab, Prompt((A,), b"retu1xyz"), limit=8)
    assert vocab.decode([step.token for step in steps]).startswith(b"retu1xyz")
    assert engine.runs[1] == 1 + len(vocab.encode("tu1xyz"))


@settings(deadline=None, max_examples=100)
@given(
    corpora=st.lists(st.lists(st.sampled_from([A, B, C, STOP]), max_size=30), max_size=3),
    original=st.lists(st.sampled_from([A, B, C]), max_size=20),
    history=st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=10),
    forced=st.sampled_from([b"", b"", b"a", b"abc", b"retu", b"coun", "é".encode()]),
    seed=st.integers(0, 2**32 - 1),
    context=st.integers(1, 3),
    capacity=st.integers(11, 60),
    limit=st.integers(0, 50),
    share=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_drafts_never_change_the_answer(
    vocab, corpora, original, history, forced, seed, context, capacity, limit, share
):
    def rule(tokens):
        """What comes next depends on the last tokens alone, so that texts repeat themselves."""
        rng = np.random.default_rng([seed, *tokens[-context:]])
        return rng.permutation([A, B, C, A, B, C, STOP, ID["return"], ID["re"]]).tolist()

    prompt = Prompt(tuple(history), forced, tuple(vocab.encode(forced.decode())))
    expected = write(Rule(rule, capacity), vocab, prompt, limit=limit)
    found = write(
        Rule(rule, capacity),
        vocab,
        prompt,
        Drafts(corpora, history, Acceptance(share), original=original),
        limit,
        prompt.drafted or history,
    )
    assert found == expected

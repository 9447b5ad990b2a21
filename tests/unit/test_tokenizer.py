"""The tokenizer: text to tokens to bytes without loss, and which tokens agree with given bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_model import CONTROL, ID, KINDS, MERGES, TOKENS, USER_DEFINED

from foretype.model.backend import BackendError
from foretype.model.tokenizer import Vocab, write
from foretype.model.weights import BuildError, Vocabulary

VOCABULARY = Vocabulary(TOKENS, MERGES, KINDS, "qwen2")
SPECIAL = (*CONTROL, *USER_DEFINED)
texts = st.text(max_size=60) | st.text(st.sampled_from("retudfcoun (\n\r\té日🙂'S1_"), max_size=60)
hypothesis = settings(deadline=None, max_examples=200)


def test_a_word_is_its_longest_merges(vocab):
    assert vocab.encode("return") == [ID["return"]]
    assert vocab.encode(" return") == [ID["Ġreturn"]]
    assert vocab.encode("retur") == [ID["retu"], ord("r")]
    assert vocab.encode("a\u00e9") == [ord("a"), ID["Ã©"]]


def test_words_are_cut_as_qwen_cuts_them(vocab):
    # each digit alone, a space with the word behind it, a newline with the spaces before it, no merge over an edge
    cut = [vocab.decode([token]) for token in vocab.encode("def count12(): \n  \n    return a")]
    assert cut == [
        b"def",
        b" count",
        b"1",
        b"2",
        b"()",
        b":",
        b" ",
        b"\n",
        b"  ",
        b"\n",
        b"  ",
        b" ",
        b" return",
        b" a",
    ]


@hypothesis
@given(text=texts)
@example("")
@example("\x00\ufeff\u2028\U0010ffff")
@example("e\u0301 \u00e9 \ufb01")  # would be other characters after a normalization
def test_any_text_comes_back(vocab, text):
    tokens = vocab.encode(text)
    assert vocab.decode(tokens) == text.encode()
    assert b"".join(vocab.bytes_of(token) for token in tokens) == text.encode()


def test_lone_surrogates_become_replacement_characters(vocab):
    assert vocab.decode(vocab.encode("a\ud800b\udfff")).decode() == "a\ufffdb\ufffd"


@hypothesis
@given(parts=st.lists(st.sampled_from(SPECIAL) | st.text(max_size=5), max_size=6))
@example(list(SPECIAL))
def test_plain_text_never_becomes_a_control_token(vocab, parts):
    text = "".join(parts)
    tokens = vocab.encode(text)
    assert not set(tokens) & set(vocab.special.values())
    assert vocab.decode(tokens) == text.encode()


def test_control_tokens_are_known_by_name_and_have_no_text(vocab):
    assert {name: vocab.special[name] for name in SPECIAL} == {name: ID[name] for name in SPECIAL}
    assert {vocab.bytes_of(ID[name]) for name in SPECIAL} == {b""}


def test_tokens_that_fill_up_the_table_have_no_text(vocab):
    assert vocab.bytes_of(ID["[PAD3]"]) == b""
    assert ID["[PAD3]"] not in vocab.agreeing(b"[")


@pytest.mark.parametrize("token", [-1, len(TOKENS), 10**9])
def test_numbers_that_are_no_token_have_no_text(vocab, token):
    assert vocab.bytes_of(token) == b""


def agree(token: bytes, forced: bytes) -> bool:
    return bool(token) and (token.startswith(forced) or forced.startswith(token))


@hypothesis
@given(forced=st.binary(min_size=1, max_size=6) | texts.map(str.encode).filter(bool))
@example(b"retu")
@example(b"    return")
@example(b"\xff")
def test_agreeing_is_all_that_agree_and_no_other(vocab, forced):
    found = vocab.agreeing(forced)
    assert len(found) == len(set(found))
    assert set(found) == {token for token in range(len(TOKENS)) if agree(vocab.bytes_of(token), forced)}


def test_agreeing_after_warming_up_and_before(tmp_path):
    write(VOCABULARY, tmp_path / "tokenizer.json")
    cold, warm = Vocab(tmp_path / "tokenizer.json"), Vocab(tmp_path / "tokenizer.json")
    warm.warm()
    assert cold.agreeing(b"co").tolist() == warm.agreeing(b"co").tolist()


def test_what_is_written_is_what_the_library_reads(tmp_path):
    """The file is an ordinary one: Hugging Face's own class reads it, control tokens and all."""
    from tokenizers import Tokenizer

    write(VOCABULARY, tmp_path / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == len(TOKENS)
    assert tokenizer.encode("def<|fim_middle|> return").ids == [ID["def"], ID["<|fim_middle|>"], ID["Ġreturn"]]
    assert tokenizer.decode([ID["def"], ID["Ġreturn"], 0xC3, 0xA9]) == "def returné"


def test_an_unknown_pre_tokenizer(tmp_path):
    with pytest.raises(BuildError, match=r"pre-tokenizer 'strange' of this model is not known \(known: qwen2\)"):
        write(replace(VOCABULARY, pretokenizer="strange"), tmp_path / "tokenizer.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("merges", [("a",), ("nothing known",)], ids=["one part", "unknown parts"])
def test_merges_that_make_no_sense(tmp_path, merges):
    with pytest.raises(BuildError) as caught:
        write(replace(VOCABULARY, merges=merges), tmp_path / "tokenizer.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"[]",
        b"{\n",
        b"\xff\xfe",
        b'{"added_tokens": [], "model": {}}',
        b'{"added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}',
        b'{"added_tokens": [], "model": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}}',
        b'{"added_tokens": [], "model": {"type": "BPE", "vocab": {"\xe2\x96\x81a": 0}, "merges": []}}',
    ],
    ids=["none", "empty", "object", "list", "cut off", "bytes", "no model", "words", "unigram", "sentencepiece"],
)
def test_a_file_that_is_no_byte_level_bpe(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendError) as caught:
        Vocab(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file(tmp_path):
    path = tmp_path / "tokenizer.json"
    write(VOCABULARY, path)
    path.write_text(path.read_text("utf-8")[:-200], encoding="utf-8")
    with pytest.raises(BackendError, match="not a readable tokenizer"):
        Vocab(path)


def test_a_file_of_a_user_with_normalizer_and_post_processor(tmp_path):
    """They are left out: the very characters of the file count, and the prompt is laid out elsewhere."""
    path = tmp_path / "tokenizer.json"
    write(VOCABULARY, path)
    data = json.loads(path.read_text("utf-8"))
    data["normalizer"] = {"type": "NFC"}
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [280], "tokens": ["<|endoftext|>"]}},
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    vocab = Vocab(path)
    assert vocab.decode(vocab.encode("e\u0301")).decode() == "e\u0301"
    assert ID["<|endoftext|>"] not in vocab.encode("a")

"""Byte-level BPE: made from a GGUF's vocabulary, read from `tokenizer.json`, and seen as bytes per token.

Knows the Hugging Face `tokenizers` library and byte-level BPE; knows nothing of prompts. Bytes matter because a token
may be part of a character, and because token healing asks which tokens agree with given characters.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from foretype.model.backend import BackendError
from foretype.model.weights import BuildError, Vocabulary

# How text is cut into words before BPE, by llama.cpp's name of the scheme. Qwen2's, from its `tokenizer.json`:
# https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct/blob/main/tokenizer.json (normalizer NFC, which serving leaves
# out: a completion must continue the very characters that are in the file).
_SPLITS = {
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5  # llama.cpp's token types


def write(vocabulary: Vocabulary, path: Path) -> None:
    """Writes `tokenizer.json`. Raises `BuildError` for a pre-tokenizer whose rules are not known here, and for merges
    that do not fit the tokens."""
    split = _SPLITS.get(vocabulary.pretokenizer)
    if split is None:
        known = ", ".join(_SPLITS)
        raise BuildError(f"the pre-tokenizer {vocabulary.pretokenizer!r} of this model is not known (known: {known})")
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    merges = [(left, right) for left, _, right in (merge.partition(" ") for merge in vocabulary.merges)]
    try:
        tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, fuse_unk=False, byte_fallback=False))
    except Exception as error:  # the library raises bare Exception
        raise BuildError(f"the model's vocabulary is damaged ({_one_line(error)})") from error
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [
        AddedToken(token, special=True, normalized=False)
        for token, kind in zip(vocabulary.tokens, vocabulary.kinds, strict=True)
        if kind in (_CONTROL, _USER_DEFINED, _UNUSED)
    ]
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(path), pretty=False)


class Vocab:
    """A tokenizer for a decoder: text to tokens, tokens to bytes, bytes to the tokens that agree with them.

    Raises `BackendError` if the file is missing or is no byte-level BPE.
    """

    def __init__(self, path: Path) -> None:
        try:
            raw = path.read_text("utf-8")
            # Plain text must never become a control token, so added tokens are known only to `special`.
            data = json.loads(raw)
            self.special: dict[str, int] = {token["content"]: token["id"] for token in data["added_tokens"]}
            data["added_tokens"] = []
            data["normalizer"] = data["post_processor"] = None
            self._tokenizer = Tokenizer.from_str(json.dumps(data))
            self._strings: dict[str, int] = data["model"]["vocab"]
        except Exception as error:  # the library raises bare Exception
            raise BackendError(
                f"{path}: not a readable tokenizer ({_one_line(error)}); build the model again"
            ) from error
        if not isinstance(self._strings, dict) or not _byte_table().keys() <= self._strings.keys():
            raise BackendError(f"{path}: this tokenizer is not byte-level BPE, the only kind that can be served")

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text. Characters that UTF-8 cannot hold (lone surrogates) become U+FFFD."""
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def bytes_of(self, token: int) -> bytes:
        """The bytes that a token stands for; none for control tokens and for numbers that are no token."""
        return self._bytes.get(token, b"")

    def decode(self, tokens: Sequence[int]) -> bytes:
        return b"".join(map(self.bytes_of, tokens))

    def agreeing(self, forced: bytes) -> np.ndarray:
        """Tokens that could come next where `forced` must: those that begin with it, and those that it begins with."""
        shorter = [self._by_bytes[forced[:size]] for size in range(1, len(forced)) if forced[:size] in self._by_bytes]
        return np.concatenate([self.beginning(forced), np.array(shorter, np.int64)])

    def beginning(self, start: bytes) -> np.ndarray:
        """Tokens that begin with the bytes."""
        ordered, numbers = self._sorted
        first = bisect.bisect_left(ordered, start)
        # a space begins a third of all tokens, so that looking at each would take milliseconds
        return numbers[first : bisect.bisect_left(ordered, True, first, key=lambda value: not value.startswith(start))]

    def warm(self) -> None:
        """Makes the tables that `bytes_of` and `agreeing` look into, which take a moment."""
        self.agreeing(b" ")

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        # control tokens of the model's vocabulary are written in plain characters: they are no text
        controls = set(self.special.values())
        table = _byte_table()
        found = {}
        for token, number in self._strings.items():
            if number not in controls:
                try:
                    found[number] = bytes(table[char] for char in token)
                except KeyError:
                    continue
        return found

    @cached_property
    def _by_bytes(self) -> dict[bytes, int]:
        return {value: number for number, value in self._bytes.items()}

    @cached_property
    def _sorted(self) -> tuple[list[bytes], np.ndarray]:
        pairs = sorted((value, number) for number, value in self._bytes.items())
        return [value for value, _ in pairs], np.array([number for _, number in pairs], np.int64)


def _byte_table() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes (Radford et al. 2019, `encoder.py`): character to byte."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

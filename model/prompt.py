"""A prompt's tokens: what serving reads and what training learns from, by the same functions.

Knows tokens and the order that `model/fim.py` gives the parts; knows no engine, and not where the text was cut
(`model/window.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from foretype.model import fim
from foretype.model.backend import ContextFile
from foretype.model.tokenizer import Vocab
from foretype.model.window import Anchor


def encode(vocab: Vocab, parts: Iterable[fim.Part]) -> list[int]:
    """Each sentinel as its one token, each text as plain text, whatever characters it holds."""
    tokens: list[int] = []
    for part in parts:
        tokens += [vocab.special[part.token]] if isinstance(part, fim.Sentinel) else vocab.encode(part.text)
    return tokens


def fill_in(vocab: Vocab, family: fim.Family, anchor: Anchor, most: int) -> list[int]:
    """The prompt of an anchor, with as many of its last files as `most` tokens in all leave room for. What is typed
    since, and then the answer, go behind it."""
    files = anchor.files
    while len(tokens := _fill_in(vocab, family, anchor, files)) > most and files:
        files = files[1:]
    return tokens


def _fill_in(vocab: Vocab, family: fim.Family, anchor: Anchor, files: tuple[ContextFile, ...]) -> list[int]:
    tokens: list[int] = []
    for part in fim.layout(family, "", "", files, anchor.path):
        if isinstance(part, fim.Sentinel) or part.role == "context":
            tokens += encode(vocab, [part])
        else:
            tokens += anchor.before if part.role == "prefix" else anchor.after
    return tokens

"""Symbols of broken text, in all languages: real sources with bytes lost and put in, pieces of several, and noise."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing import cases, damaged
from hypothesis import example, given
from hypothesis import strategies as st

from foretype.context import languages
from foretype.context.languages import Language
from foretype.context.symbols import FileSymbols, extract

GOLDEN = Path(__file__).parents[1] / "golden" / "symbols"
SOURCES = {path.name: path.read_bytes() for path in sorted(GOLDEN.iterdir()) if path.suffix != ".txt"}
TOKENS = st.sampled_from(
    [
        *(b"class ", b"def ", b"function ", b"import ", b"from ", b"#include <", b"use a::{", b"impl ", b"func ("),
        *(b"=> ", b"::", b"\\\n", b"\r\n", b"\n", b"\0", b"\xff", b"\xc3", b'"', b"'", b"`", b"/*", b"//", b"#"),
        *(b"{", b"}", b"(", b")", b"<", b"a", b"B", b" ", b"\t", b";", b",", b".", b"@", b"=", b"self.", b"this."),
        *("é".encode(), "\U0001f600".encode()),
    ]
)
known = pytest.mark.parametrize("language", languages.LANGUAGES, ids=lambda language: language.name)


def check(source: bytes, language: Language) -> FileSymbols:
    """Symbols all of which lie in the text."""
    found = extract("f", source, language)
    last = source.count(b"\n")
    for item in found.definitions:
        assert item.name and 0 <= item.start < item.end <= len(source)
        assert 0 <= item.line <= item.end_line <= last
        assert len(item.signature) <= 300 and "\n" not in item.signature + item.doc
    starts = found.references.start.tolist()
    assert starts == sorted(starts)
    for use in found.references:
        assert use.name
        name = use.name.encode("utf-8")
        assert source[use.start : use.start + len(name)] == name or "\ufffd" in use.name
        assert use.line == source.count(b"\n", 0, use.start)
    assert all(0 <= one.line <= last for one in found.imports)
    return found


@known
@cases(12)
@given(data=st.data())
def test_damaged_sources(language: Language, data: st.DataObject) -> None:
    own = [source for name, source in SOURCES.items() if languages.find("", name) is language]
    source = data.draw(st.sampled_from(own or list(SOURCES.values())))
    start = data.draw(st.integers(0, len(source)))
    check(data.draw(damaged(source[start : start + 1500])), language)


@known
@cases(12)
@given(pieces=st.lists(TOKENS, max_size=40))
@example(pieces=[b"a\\\nb", b"=", b"c\\\r\nd"])
def test_tokens_in_any_order(language: Language, pieces: list[bytes]) -> None:
    check(b"".join(pieces), language)


def test_a_name_that_the_parser_misses_is_none() -> None:
    (c,) = (one for one in languages.LANGUAGES if one.name == "c")
    found = check(b"struct cart {\n    int count;\n\xff\xff\xff names[LIMIT];\n};\n", c)
    assert [item.name for item in found.definitions] == ["cart", "count"]


@cases(40)
@given(st.sampled_from(languages.LANGUAGES), st.sampled_from(sorted(SOURCES)), st.data())
def test_sources_of_another_language(language: Language, name: str, data: st.DataObject) -> None:
    source = SOURCES[name]
    start = data.draw(st.integers(0, len(source)))
    check(source[start : start + 1500], language)


@cases(40)
@given(st.sampled_from(languages.LANGUAGES), st.binary(max_size=300))
def test_noise(language: Language, source: bytes) -> None:
    check(source, language)

"""Strings, comments and brackets by one regular expression a language: for broken text, and where there is no grammar.

It does not know what a statement is. It takes a template string's `${}` for text and reads nothing into regular
expression literals; a quote that is not closed ends at the end of its line, so that such a mistake stays there.
"""

from __future__ import annotations

import re
from collections import deque
from functools import cache, lru_cache
from typing import Literal

from foretype.context.languages import Language

Scope = Literal["code", "comment", "string"]

_PAIRS = {")": "(", "]": "[", "}": "{"}
_BRACKET = re.compile(r"[()\[\]{}]")
_NOT_BREAK = re.compile(r"[^\r\n]")


@lru_cache(maxsize=16)
def mask(text: str, language: Language) -> str:
    """The text with every character of a comment replaced by a space and of a string by `"`; line breaks stay."""

    def blank(match: re.Match[str]) -> str:
        return _NOT_BREAK.sub('"' if _kind(match) == "string" else " ", match[0])

    return _pattern(language).sub(blank, text)


def scope(text: str, language: Language) -> Scope:
    """What the end of the text is in. The text has to begin in code."""
    last = _open_at_end(text, language)
    return _kind(last) if last else "code"


def delimiter(text: str, language: Language) -> str:
    """What closes the string that the end of the text is in; "" when it is in none."""
    last = _open_at_end(text, language)
    if last is None or last.lastgroup is None or _kind(last) != "string":
        return ""
    return _delimiters(language)[int(last.lastgroup[1:])][1]


def unmatched(masked: str) -> tuple[list[int], list[int]]:
    """Offsets of the closing brackets that nothing before them opens, and of the opening ones that stay open."""
    closers: list[int] = []
    openers: list[int] = []
    for match in _BRACKET.finditer(masked):
        if match[0] not in _PAIRS:
            openers.append(match.start())
        elif openers and masked[openers[-1]] == _PAIRS[match[0]]:
            openers.pop()
        else:
            closers.append(match.start())
    return closers, openers


def errors(masked: str) -> int:
    """How many brackets have no partner."""
    closers, openers = unmatched(masked)
    return len(closers) + len(openers)


@lru_cache(maxsize=16)
def _open_at_end(text: str, language: Language) -> re.Match[str] | None:
    last = next(iter(deque(_pattern(language).finditer(text), maxlen=1)), None)
    closed = last is None or last.end() < len(text) or last[f"{last.lastgroup}_end"] is not None
    return None if closed else last


def _kind(match: re.Match[str]) -> Scope:
    assert match.lastgroup is not None
    return "comment" if match.lastgroup[0] == "c" else "string"


@cache
def _delimiters(language: Language) -> tuple[tuple[str, str], ...]:
    comment = (language.block_comment,) if language.block_comment else ()
    return (*comment, *language.long, (language.line_comment, "\n"), *((quote, quote) for quote in language.quotes))


@cache
def _pattern(language: Language) -> re.Pattern[str]:
    """Alternatives `c0`, `s1`, ...: comments and strings in the order of `_delimiters`, whose end `c0_end`, ... is
    unset when the text ended first. A quote closed by the end of the line counts as closed."""
    parts = []
    for index, (start, end) in enumerate(_delimiters(language)):
        if not start:
            continue
        opening, closing = re.escape(start), re.escape(end)
        if start == language.line_comment:
            before = r"(?<!\$)(?<!\$\{)" if start == "#" else ""
            parts.append(rf"(?P<c{index}>{before}{opening}[^\n]*(?P<c{index}_end>(?=\n))?)")
        elif (start, end) == language.block_comment:
            parts.append(rf"(?P<c{index}>{opening}.*?(?:(?P<c{index}_end>{closing})|\Z))")
        elif (start, end) in language.long:
            first, rest = re.escape(end[0]), f"(?!{re.escape(end[1:])})" if end[1:] else "(?!)"
            raw = start != end or (start == "`" and language.name == "go")
            inner = rf"[^{first}]++|{first}{rest}" if raw else rf"[^{first}\\]++|\\(?:.|\Z)|{first}{rest}"
            parts.append(rf"(?P<s{index}>{opening}(?:{inner})*+(?:(?P<s{index}_end>{closing})|\Z))")
        else:
            inner = rf"[^{closing}\\\n]++|\\(?:.|\Z)"
            parts.append(rf"(?P<s{index}>{opening}(?:{inner})*+(?P<s{index}_end>{closing}|(?=\n))?)")
    if "'" not in language.quotes and ('"', '"') in language.long:
        # a character literal that holds a quote, as in Rust, where ' alone begins a lifetime
        parts.insert(0, r"(?P<s999>'(?:\\[^\n']+|[^\\'\n])(?P<s999_end>'))")
    return re.compile("|".join(parts) or r"(?P<c0>(?!)(?P<c0_end>))", re.DOTALL)

"""The text that stands for a definition where its body would be too long: its signature and the first line of its doc.

Works on bytes around a node; does not know what a type means.
"""

from __future__ import annotations

import re

from foretype.context.index.captures import Item
from foretype.context.languages import Language

MAX_SIGNATURE = 300
MAX_DOC = 200
# Decorators, `export` and `template <...>` up to this length are part of the signature.
_MAX_LEAD = 60
# How far above a definition its doc comment may begin, in bytes.
_LOOK_BACK = 4096
_DOCSTRING = re.compile(rb"[rRuU]?(\"\"\"|'''|\"|')(.*?)(?:\1|\Z)", re.DOTALL)
# What stands before a definition in its line and belongs to it: `export const`, `type`, `static`.
_WORDS = re.compile(rb"[\w\s]*")
_ATTRIBUTE = re.compile(r"#!?\[.*\]|@\w[\w.]*(\(.*\))?")
_BLOCK = re.compile(r"/\*(?:(?!\*/).)*\*/$", re.DOTALL)


def signature(item: Item, source: bytes) -> str:
    """The definition without its body, white space folded, at most 300 characters; a value only as far as its line."""
    node = item.node
    start, end = item.start, node.end_byte
    if item.name_start - start > _MAX_LEAD and node.start_byte - start > _MAX_LEAD:
        start = node.start_byte
    line = source.rfind(b"\n", 0, start) + 1
    start = line if line == start or _WORDS.fullmatch(source, line, start) else start
    if item.kind in ("constant", "field"):
        first = source.find(b"\n", item.name_start, end)
        end = first if first > 0 else end
    else:
        body = node.child_by_field_name("body")
        if body is None and (value := node.child_by_field_name("value") or node.child_by_field_name("right")):
            body = value.child_by_field_name("body")
        if body is not None and source[body.start_byte : body.start_byte + 1] != b"(":
            end = body.start_byte
        elif item.kind in ("class", "type"):
            brace = source.find(b"{", item.name_start, end)
            end = brace if brace > 0 else end
    # four bytes a character at most, and as much again for white space
    text = " ".join(source[start : min(end, start + 8 * MAX_SIGNATURE)].decode(errors="replace").split())
    text = text.rstrip("{:=;, ").removesuffix("=>").rstrip() if item.kind not in ("constant", "field") else text
    return text if len(text) <= MAX_SIGNATURE else text[: MAX_SIGNATURE - 3] + "..."


def doc(item: Item, source: bytes, language: Language) -> str:
    """The first line of the docstring (Python), else of the comment that ends right above the definition, or ""."""
    if language.style == "indent":
        if item.kind in ("constant", "field"):
            return ""
        body = item.node.child_by_field_name("body")
        found = _DOCSTRING.match(source, body.start_byte, body.end_byte) if body else None
        return _first_line(found[2].decode(errors="replace")) if found else ""
    above = source.rfind(b"\n", 0, item.start) + 1
    if not _WORDS.fullmatch(source, above, item.start):
        return ""
    lines = source[max(0, above - _LOOK_BACK) : above].decode(errors="replace").split("\n")[:-1]
    while lines and _ATTRIBUTE.fullmatch(lines[-1].strip()):
        lines.pop()
    if not lines:
        return ""
    if language.block_comment and lines[-1].rstrip().endswith(language.block_comment[1]):
        block = _BLOCK.search("\n".join(lines).rstrip())
        return _first_line(block[0][2:-2]) if block else ""
    first = ""
    for line in reversed(lines):
        if not line.lstrip().startswith(language.line_comment):
            break
        text = line.strip().lstrip(language.line_comment[0] + "!").strip()
        first = text or first
    return first[:MAX_DOC]


def _first_line(text: str) -> str:
    """The first line that says something, without the stars of a block comment."""
    return next((said for line in text.split("\n") if (said := line.strip().strip("*").strip())), "")[:MAX_DOC]

"""Where a cursor stands in the syntax around it: code, comment or string; one line or several; where a node ends.

Text comes as a prefix and a suffix, whole or cut; a bounded window of it is parsed, never the file. Where a language
has no grammar, or its tree has errors at the cursor, indentation and brackets decide. Knows nothing of models:
`node_end` gives a predicate over generated text, and whoever generates calls it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import tree_sitter

from foretype.context import languages, lexer
from foretype.context.languages import PLAIN, Language
from foretype.context.lexer import Scope

Mode = Literal["single", "multi"]

# Given the text generated so far, the length of it to keep once it is complete, or None to go on.
Stop = Callable[[str], int | None]

# Characters that are looked at before and after the cursor: 20 KB parse in about 10 ms.
WINDOW_BEFORE = 16_384
WINDOW_AFTER = 4_096
_TAB = 8
_TOP_LEVEL = re.compile(r"\n(?=[^\s)\]}])")
_CLOSING_LINE = re.compile(r"[)\]}]+[;,]*|end[;,)]*")
_CLOSED_BELOW = re.compile(r"\s*(?:[)\]}]|(?:end|else|elseif|elsif|until)\b)")
# The beginning of a line whose first word or bracket may still grow.
_UNDECIDED = re.compile(r"\s*(?:\w*|[)\]}]*|[^\w\s])")
# In masked text: a statement that is a string alone, at the end.
_DOCSTRING = re.compile(r"(?<=:)[ \t\r]*\n[ \t]*[rRuU]?\"[\"\s]*\Z")
_UNPARSED = "unparsed"
_INTERPOLATIONS = ("interpolation", "template_substitution", "template_expression")
_LITERALS = ("string", "char_literal", "character_literal", "rune_literal", "heredoc")
# Nodes which belong to the statement after them.
_LEADING = ("comment", "attribute_item", "decorator", "annotation")


def scope(prefix: str, suffix: str, language: Language | None) -> Scope:
    """What the cursor is in; "string" includes docstrings, and code inside a template string is "code"."""
    language = language or PLAIN
    before, after = around(prefix, suffix)
    tree = _tree(language, before + after)
    if tree is None or not before:
        return lexer.scope(before, language)
    at = len(_encode(before))
    node = tree.root_node.descendant_for_byte_range(at - 1, at)
    while node is not None:
        kind = node.type
        if any(name in kind for name in _INTERPOLATIONS):
            return "code"
        if "comment" in kind:
            ended = at == node.end_byte and (before[-1] == "\n" or before.endswith("*/"))
            return "code" if ended else "comment"
        if any(name in kind for name in _LITERALS) and "concatenated" not in kind and at < node.end_byte:
            return "string"
        node = node.parent
    return lexer.scope(before, language) if tree.root_node.has_error else "code"


def mode(prefix: str, suffix: str, language: Language | None) -> Mode:
    """Whether an answer of several lines is wanted here.

    "multi" on a blank line that is either the first of a block (the last line that is not blank opens one) or in a
    body: inside an open `{`, else indented (at column 0, between indented lines). All else is "single": code before
    or after the cursor on its line, comments and strings, inside `(` or `[`, after a decorator or an operator, and
    blank lines at top level, where what comes next is anybody's guess.
    """
    language = language or PLAIN
    above, head = _split_line(around(prefix, "")[0])
    if head.strip() or suffix.partition("\n")[0].strip() or scope(prefix, suffix, language) != "code":
        return "single"
    masked = lexer.mask(above, language)
    openers = lexer.unmatched(masked)[1]
    if openers and (masked[openers[-1]] != "{" or language.style == "indent"):
        return "single"
    last = _last_line(masked)
    if re.search(language.block_opens, last):
        return "multi"
    if last.lstrip().startswith("@") or re.search(r"(?:[-+*/%=&|<>.(\[]|\\)$", last):
        return "single"
    if openers or head:
        return "multi"
    return "multi" if _width(last) and _width(_next_line(suffix)) else "single"


def node_end(prefix: str, suffix: str, language: Language | None) -> Stop:
    """A predicate that ends an answer of several lines with the syntax node that the cursor stands before.

    At the start of a block without content (a docstring is none) the node is the whole block; elsewhere in a body it is
    the statement which begins there, with its nested blocks and its `else`. A line that leaves the block always ends
    it, and stays only if it closes the block and the suffix does not. Text that is no statement (yet) goes on. Lines
    are judged once, when they are complete or the first word of the next one is; so the predicate is cheap to call for
    every token. It keeps state: make one for each answer.
    """
    language = language or PLAIN
    above, head = _split_line(around(prefix, "")[0])
    suffix = around("", suffix)[1]
    opener = _last_line(_DOCSTRING.sub("", lexer.mask(above, language)))
    at_block = not head.strip() and re.search(language.block_opens, opener) is not None
    # An opened block that has content below the cursor already gets one more statement, not a second content.
    whole_block = at_block and _width(_next_line(suffix)) <= _width(opener)
    judged = 0

    def stop(text: str) -> int | None:
        nonlocal judged
        while (newline := text.find("\n", judged)) >= 0:
            done = text[:newline].rstrip()
            base = _base(head, text)
            node = "" if whole_block or not done else _statement(language, head + text[:newline])
            if _is_certain(node, done, language):
                return len(done)
            line, ended, _ = text[newline + 1 :].partition("\n")
            if line.strip():
                if _leaves(language, head + text[: newline + 1], line, base):
                    below = _next_line(suffix, narrower_than=_width(line) + 1)
                    if language.style == "indent" or (_CLOSED_BELOW.match(below) and _width(below) == _width(line)):
                        return len(done)
                    if not ended and _UNDECIDED.fullmatch(line):
                        return None
                    return newline + 1 + len(line.rstrip()) if _CLOSING_LINE.fullmatch(line.strip()) else len(done)
                if not ended and _UNDECIDED.fullmatch(line):
                    return None
                if node and _width(line) <= base and not re.match(language.statement_continues, line.lstrip()):
                    return len(done)
            elif not ended:
                return None
            judged = newline + 1
        return None

    return stop


def around(prefix: str, suffix: str) -> tuple[str, str]:
    """The window at the cursor: cut at line starts, the beginning at a line of the top level where it holds one."""
    if len(prefix) > WINDOW_BEFORE:
        prefix = prefix[-WINDOW_BEFORE:]
        top = _TOP_LEVEL.search(prefix)
        prefix = prefix[top.end() :] if top else prefix.partition("\n")[2] or prefix
    if len(suffix) > WINDOW_AFTER:
        suffix = suffix[:WINDOW_AFTER]
        suffix = suffix[: suffix.rfind("\n") + 1] or suffix
    return prefix, suffix


def _leaves(language: Language, done: str, line: str, base: int) -> bool:
    """Whether `line`, which follows `done`, is outside of the block of the cursor's line, indented by `base`."""
    if lexer.scope(done, language) != "code":
        return False
    if line[0] == "#" and language.style == "braces":  # the C preprocessor
        return False
    if _width(line) < base:
        return True
    closers = re.match(r"[\s)\]}]*", line)
    assert closers is not None
    return bool(lexer.unmatched(lexer.mask(done, language) + closers[0])[0])


@lru_cache(maxsize=16)
def _statement(language: Language, code: str) -> str:
    """The type of the node that is the last statement in `code` if all of it is complete, else "".

    The code is parsed by itself and in each of the language's frames. Comments and decorators alone are not complete.
    """
    code = code.strip("\r\n").rstrip()
    if code.endswith("\\"):
        return ""
    indentation = len(code) - len(code.lstrip())
    code = re.sub(rf"(?m)^[ \t]{{0,{indentation}}}", "", code)
    for start, end in (("", ""), *language.frames):
        tree = _tree(language, f"{start}{code}\n{end}\n")
        if tree is None:
            masked = lexer.mask(code, language)
            return _UNPARSED if lexer.scope(code, language) == "code" and not lexer.unmatched(masked)[1] else ""
        if tree.root_node.has_error:
            continue
        first, last = len(_encode(start)), len(_encode(start + code))
        node = tree.root_node.descendant_for_byte_range(last - 1, last)
        while node and node.parent and node.parent.parent and node.parent.start_byte >= first:
            node = node.parent
        return "" if node is None or any(name in node.type for name in _LEADING) else node.type
    return ""


def _is_certain(node: str, done: str, language: Language) -> bool:
    """Whether a complete statement cannot go on in the next line."""
    if not node or node == _UNPARSED or node in language.open_ended:
        return False
    return not language.terminators or done[-1] in language.terminators


@lru_cache(maxsize=8)
def _tree(language: Language, text: str) -> tree_sitter.Tree | None:
    parser = languages.parser(language)
    return parser.parse(_encode(text)) if parser else None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _split_line(text: str) -> tuple[str, str]:
    """The lines above the last one, and the last one."""
    start = text.rfind("\n") + 1
    return text[:start], text[start:]


def _last_line(text: str) -> str:
    """The last line that is not blank, without white space at its end."""
    return _split_line(text.rstrip())[1]


def _next_line(suffix: str, narrower_than: int = 1 << 30) -> str:
    """The first line below the cursor's that is not blank and narrower than that; "" when there is none."""
    lines = suffix.split("\n")[1:]
    return next((line for line in lines if line.strip() and _width(line) < narrower_than), "")


def _base(head: str, text: str) -> int:
    """Columns of indentation at the cursor: of its line, else of the first generated line that is not blank."""
    first = head + text.partition("\n")[0]
    if not first.strip() and not head:
        first = next((line for line in text.split("\n") if line.strip()), "")
    return _width(first)


def _width(line: str) -> int:
    """Columns of indentation, a tab being eight, as in code that mixes both."""
    line = line.rstrip("\r\n").expandtabs(_TAB)
    return len(line) - len(line.lstrip(" "))

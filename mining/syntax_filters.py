"""Which files are left out by their syntax trees: what does not parse, and changes that change no code.

Only tokens of changed lines are compared, so that the cost is the change's and not the file's. Where a language has no
grammar these keep the file.
"""

from __future__ import annotations

import re
from functools import cache

from foretype.context.languages import Language
from foretype.mining.candidate import ChangedFile, FileFilter, Stage
from foretype.mining.config import Config
from foretype.mining.trees import Token, Trees

# The preprocessor hides half of these languages' syntax; errors count where the change is.
_MACROS = ("c", "cpp")
_FORMATTING = str.maketrans("", "", "'\",")
_CLOSERS = (b")", b"]", b"}")


def does_not_parse(file: ChangedFile, config: Config) -> str | None:
    """Files with a syntax error before or after, by tree-sitter's error nodes. In C and C++, where a macro looks like
    one, only errors in the top-level declarations that changed. Both texts are checked: half a merge is no edit."""
    if file.trees is None:
        return None
    sides = ((file.trees.before, file.trees.old_spans, "before"), (file.trees.after, file.trees.new_spans, "after"))
    for tree, spans, side in sides:
        if tree is None or not tree.root_node.has_error:
            continue
        if file.language.name not in _MACROS or tree.root_node.type == "ERROR":
            return f"syntax error {side}"
        for node in tree.root_node.children:
            if node.has_error and any(node.start_byte < end and start < node.end_byte for start, end in spans):
                return f"syntax error {side}"
    return None


def formatting_only(file: ChangedFile, config: Config) -> str | None:
    """Changes after which the token stream is the same, but for the kind of quotes and a comma before a closing
    bracket, as formatters change both. Where indentation is syntax, blocks count as tokens."""
    if file.trees is None or _letters(file.removed) != _letters(file.added):
        return None
    return "same tokens" if _normal(file.trees.old_tokens) == _normal(file.trees.new_tokens) else None


def comments_only(file: ChangedFile, config: Config) -> str | None:
    """Changes of nothing but comments and docstrings, and those of whose characters more than `max_comment_share` are
    in them: prose has no next edit that code could tell."""
    if file.trees is None or (not _may_hold_comments(file, file.trees) and _words(file.removed) != _words(file.added)):
        return None
    old, new = file.trees.old_tokens, file.trees.new_tokens
    if _normal([token for token in old if not token.comment]) == _normal([token for token in new if not token.comment]):
        return "comments only"
    whole = sum(len(token.text) for token in (*old, *new))
    comments = sum(len(token.text) for token in (*old, *new) if token.comment)
    return f"{comments / whole:.0%} of it is comments" if comments > config.max_comment_share * whole else None


def _may_hold_comments(file: ChangedFile, trees: Trees) -> bool:
    """Whether the change touches a comment or a docstring, far quicker than by all tokens: one that begins in it has
    its mark there, and it may begin in one."""
    marks = _marks(file.language)
    sides = ((trees.before, trees.old_spans, file.before.data), (trees.after, trees.new_spans, file.after.data))
    for tree, spans, data in sides:
        if tree is None:
            continue
        root = tree.root_node
        for start, end in spans:
            if start == end:
                continue
            node = root.descendant_for_byte_range(start, start)
            if marks.search(data, start, end) or node is None or "comment" in node.type or "string" in node.type:
                return True
    return False


@cache
def _marks(language: Language) -> re.Pattern[bytes]:
    """The marks that comments begin with, and a quote where a statement may begin, as in a docstring."""
    begins = (language.line_comment, (language.block_comment or ("",))[0])
    comments = [re.escape(mark.encode()) for mark in begins if mark]
    return re.compile(b"|".join((*comments, rb"(?:^|[:;{})>])[^\S\n]*\w{0,2}[\"'`]")), re.MULTILINE)


def _words(lines: list[str]) -> str:
    """As `_letters`, without the backslashes that join lines: they are no tokens."""
    return _letters(lines).replace("\\", "")


def _letters(lines: list[str]) -> str:
    """What formatting leaves alone: where this differs, tokens do, and it is far quicker to see."""
    return "".join("".join(lines).translate(_FORMATTING).split())


def _normal(found: list[Token]) -> list[bytes]:
    texts = [token.text.replace(b"'", b'"') for token in found]
    return [
        text
        for index, text in enumerate(texts)
        if not (text == b"," and index + 1 < len(texts) and texts[index + 1] in _CLOSERS)
    ]


SYNTAX = tuple(FileFilter(Stage.SYNTAX, check) for check in (does_not_parse, formatting_only, comments_only))

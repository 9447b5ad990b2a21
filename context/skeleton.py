"""A definition as code that is short enough for a prompt: its signature and doc line, its members, seldom its body.

Knows a few spellings of each style of language; reads no file but the lines that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from foretype.context.languages import PLAIN, Language
from foretype.context.symbols import Definition

WHOLE_LINES = 5  # a definition that is no longer says more by itself than its signature does
_WIDEST_CHARS = 120  # of a value
_DECORATORS = re.compile(r"^((?:@\S+ )+)(?=(?:async )?(?:def|class)\b)")
_COMMENT = re.compile(r"[:{]\s+(?:#|//).*\Z", re.DOTALL)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_INDENT = "    "


def variants(
    definition: Definition,
    members: Sequence[Definition],
    language: Language | None,
    lines: Sequence[str] | None = None,
    doc: bool = True,
) -> Iterator[str]:
    """The definition with its members, then with fewer of them, the shortest last; each ends in a newline.

    `lines` are the file's: a short function is given whole where they are there and hold it. `doc`: with the doc line.
    """
    language = language or PLAIN
    if definition.kind == "module":
        count = len(members)
        while count:
            yield "".join(line for row in members[:count] for line in _written(row, language, doc=False))
            count //= 2
        return
    if lines is not None and definition.kind in ("function", "method") and (body := _body(definition, lines)):
        yield body
    count = len(members)
    while count > 1:
        yield _skeleton(definition, members[:count], language, doc)
        count //= 2
    yield _skeleton(definition, members[:count], language, doc)
    if doc and definition.doc:
        yield _skeleton(definition, members[:count], language, doc=False)


def _skeleton(definition: Definition, members: Sequence[Definition], language: Language, doc: bool) -> str:
    if not members:
        return "".join(_written(definition, language, doc))
    signature = _signature(definition)
    inside = "".join(_INDENT + line for row in members for line in _written(row, language, doc=False))
    if language.style == "indent":
        text = f'{_INDENT}"""{definition.doc}"""\n' if doc and definition.doc else ""
        return f"{signature}:\n{text}{inside}"
    above = f"{language.line_comment} {definition.doc}\n" if doc and definition.doc and language.line_comment else ""
    return (
        f"{above}{signature} {{\n{inside}}}\n" if language.style == "braces" else f"{above}{signature}\n{inside}end\n"
    )


def _written(row: Definition, language: Language, doc: bool) -> Iterator[str]:
    """The lines of one definition without its body."""
    signature = _signature(row)
    said = row.doc if doc else ""
    if language.style != "indent" and said and language.line_comment:
        yield f"{language.line_comment} {said}\n"
    if row.kind in ("constant", "field", "type", "module"):
        yield (signature if len(signature) <= _WIDEST_CHARS else signature[:_WIDEST_CHARS] + "...") + "\n"
    elif language.style == "indent":
        *above, last = signature.split("\n")
        yield from (line + "\n" for line in above)
        if said:
            yield f'{last}:\n{_INDENT}"""{said}"""\n'
        else:
            yield f"{last}: ...\n"
    elif language.style == "braces":
        yield f"{signature} {{ ... }}\n" if row.kind != "class" else f"{signature} {{}}\n"
    else:
        yield f"{signature} ... end\n"


def _signature(row: Definition) -> str:
    """The signature, each decorator in a line of its own; a value that goes on in other lines is closed."""
    text = row.signature
    if row.kind in ("constant", "field"):
        return text + "..." + _CLOSES[text[-1]] if text[-1:] in _CLOSES else text
    text = _COMMENT.sub("", text)
    found = _DECORATORS.match(text)
    return found[1].strip().replace(" @", "\n@") + "\n" + text[found.end() :] if found else text


def _body(row: Definition, lines: Sequence[str]) -> str:
    """The source of a short function, without its indentation; "" where it is long, or no longer there."""
    own = lines[row.line : row.end_line + 1]
    if not own or len(own) > WHOLE_LINES or not any(row.name in line for line in own):
        return ""
    depth = len(own[0]) - len(own[0].lstrip())
    return "".join(line[depth:] if not line[:depth].strip() else line.lstrip() for line in own).rstrip() + "\n"

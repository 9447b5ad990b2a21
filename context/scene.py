"""What stands around a cursor, read from the text alone: calls being written, names near by, the definitions around.

Works by indentation and regular expressions, in the time of a key: the text is seldom whole while it is written. What
the names mean is `context/needs.py`'s to find out.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from foretype.context import lexer, syntax
from foretype.context.languages import PLAIN, Language
from foretype.context.text import Snapshot

Chain = tuple[str, ...]  # a dotted name; the first is "" where it goes on from something that is no name, as a call

_ABOVE, _BELOW = 8, 2  # lines whose names count
_FADES = 0.8  # from line to line
_HEADERS = 3  # definitions around the cursor
_LINK = r"(?:\.|::|->|\?\.)"
_CHAIN = re.compile(rf"(?P<from>{_LINK}[ \t]*)?(?P<chain>[^\W\d]\w*(?:[ \t]*{_LINK}[ \t]*[^\W\d]\w*)*)")
# These end where the text does and are looked for from the beginnings of words alone: from each of their letters, a
# line that is one long word would take seconds.
_CALLED = re.compile(rf"(?P<from>{_LINK})?(?<!\w)(?P<chain>[^\W\d]\w*(?:{_LINK}[^\W\d]\w*)*)(?:<[\w, ]*>)?[ \t]*\Z")
_WRITTEN = re.compile(rf"(?<!\w)(?P<chain>[^\W\d]\w*(?:{_LINK}[^\W\d]\w*)*){_LINK}(?P<typed>\w*)\Z")
_TYPED = re.compile(r"(?<!\w)\w+\Z")
_SPLIT = re.compile(rf"[ \t]*{_LINK}[ \t]*")
_CLASS = re.compile(r"\b(?:class|struct|interface|trait|enum|union|object)[ \t]+(?P<name>[^\W\d]\w*)")
_IMPL = re.compile(r"^\s*(?:unsafe )?impl(?:<[^>]*>)?[ \t]+(?:[\w:<>, ]+[ \t]for[ \t]+)?(?P<name>[^\W\d]\w*)")
_RECEIVER = re.compile(r"^func[ \t]*\([ \t]*(?:\w+[ \t]+)?\*?(?P<name>\w+)")
_FUNCTION = re.compile(r"\b(?:def|function|func|fn|fun|sub)[ \t]+(?:\([^)]*\)[ \t]*)?(?:\w+[.:])*(?P<name>[^\W\d]\w*)")
_METHOD = re.compile(r"(?<!\w)(?P<name>[^\W\d]\w*)[ \t]*\([^;]*$")  # of languages with braces
_NO_METHOD = {"if", "for", "while", "switch", "catch", "match", "return", "function", "with", "elif", "else"}


@dataclass(frozen=True)
class Scene:
    """What stands around a cursor.

    `callees` are the calls whose arguments are being written, innermost first. `receiver` is what stands before the
    dot at the cursor, () where there is none, and `typed` the part of a name behind it. `names` weigh (0 to 1) the
    dotted names near by, not the one that is being typed. `class_name` and `function_name` are the innermost around,
    `class_header` the line that the class begins with, "" where there are none. `above` is the text before the cursor,
    as far as it was looked at.
    """

    callees: tuple[Chain, ...]
    receiver: Chain
    typed: str
    names: dict[Chain, float]
    class_name: str
    class_header: str
    function_name: str
    above: str


def read(snapshot: Snapshot, line: int, column: int, language: Language | None) -> Scene:
    """The scene at a place of a document; `line` and `column` are 0-based, `column` in characters."""
    language = language or PLAIN
    lines = snapshot.lines
    before, _ = syntax.around("".join(lines[max(0, line - 400) : line]) + lines[line][:column], "")
    masked = lexer.mask(before, language)
    head = masked[masked.rfind("\n") + 1 :]
    written = _WRITTEN.search(head)
    headers = _headers(lines, line, head)
    return Scene(
        callees=_callees(masked),
        receiver=_parts(written["chain"]) if written else (),
        typed=written["typed"] if written else "",
        names=_names(masked, [lines[line][column:], *lines[line + 1 : line + 1 + _BELOW]], headers),
        class_name=_class_name(headers),
        class_header=next((text for text in headers if _CLASS.search(text)), ""),
        function_name=_function_name(headers, head),
        above=before,
    )


def _callees(masked: str) -> tuple[Chain, ...]:
    found = []
    for opener in reversed(lexer.unmatched(masked)[1]):
        if masked[opener] == "{" or len(masked) - opener > 2000:
            break
        if masked[opener] == "[":
            continue
        start = masked.rfind("\n", 0, opener) + 1
        called = _CALLED.search(masked, start, opener)
        if called and not re.search(r"\b(?:def|function|func|fn|class)\b", masked[start:opener]):
            found.append((*(("",) if called["from"] else ()), *_parts(called["chain"])))
    return tuple(found)


def _names(masked: str, below: list[str], headers: list[str]) -> dict[Chain, float]:
    """The dotted names near the cursor; nearer ones weigh more, those of the function's signature somewhat less."""
    above = masked.split("\n")
    weighed = [(text, 0.7 * _FADES**distance) for distance, text in enumerate(reversed(above[-1 - _ABOVE : -1]))]
    weighed += [
        (_TYPED.sub("", above[-1]), 0.8),
        *((text, 0.5 if at == 0 else 0.4) for at, text in enumerate(below)),
    ]
    weighed += [(text, 0.45) for text in headers]
    names: dict[Chain, float] = {}
    for text, weight in weighed:
        for match in _CHAIN.finditer(text):
            chain = (*(("",) if match["from"] else ()), *_parts(match["chain"]))
            names[chain] = max(names.get(chain, 0.0), weight)
    return names


def _headers(lines: tuple[str, ...], line: int, head: str) -> list[str]:
    """The lines that the cursor's is indented under, innermost first: where definitions and blocks around it begin."""
    depth = len(head) - len(head.lstrip()) if head.strip() else len(head)
    found: list[str] = []
    for at in range(line - 1, -1, -1):
        bare = lines[at].lstrip()
        indent = len(lines[at]) - len(bare)
        if not bare or indent >= depth:
            continue
        if bare[0] in ")]}":  # the end of a header of several lines, which begins as far out
            depth = indent + 1
            continue
        depth = indent
        if _CLASS.search(bare) or _IMPL.search(bare) or _function(bare):
            found.append(bare.rstrip())
        if depth == 0 or len(found) == _HEADERS:
            break
    return found


def _class_name(headers: list[str]) -> str:
    for text in headers:
        for pattern in (_CLASS, _IMPL, _RECEIVER):
            if found := pattern.search(text):
                return found["name"]
    return ""


def _function_name(headers: list[str], head: str) -> str:
    if found := _FUNCTION.search(head):  # its signature is being written
        return found["name"]
    inside = itertools.takewhile(lambda text: not (_CLASS.search(text) or _IMPL.search(text)), headers)
    return next(map(_function, inside), "")


def _function(text: str) -> str:
    found = _FUNCTION.search(text)
    if found is None and not text.startswith(("#", "//", "*")) and "=" not in text.partition("(")[0]:
        found = _METHOD.search(text)
    name = found["name"] if found else ""
    return "" if name in _NO_METHOD else name


def _parts(chain: str) -> Chain:
    return tuple(_SPLIT.split(chain))

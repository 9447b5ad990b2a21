"""Where the next edit may be due, after what the user has just changed: candidate places, ranked by one scorer.

References of the symbols whose names or headers changed; lines that look like those that were changed; diagnostics;
the lines at the cursor; what the rules left over. What each of these says of a place is a feature, and the score is the
logistic function of their weighted sum. The weights are set by hand, from what the features mean; they were not fitted.
Names are all that is known: two things of one name are one thing here. Works in milliseconds, on a bounded number of
lines; does not say what is to be done at a place, nor whether anything is.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from foretype.context import due, languages, lexer
from foretype.context.hunks import TOKEN, WORD, Hunk, hunks, lines_of
from foretype.context.next_edit import Diagnostic, EditedFile, Place, PlaceSource
from foretype.context.text import content

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace

LIMIT = 200
_SYMBOLS = 8  # names that are looked up
_REFERENCES = 200  # of each
_COMMON = 60  # references from which on a name says little of a place
_FILES = 12  # whose lines are compared with those that changed
_FILE_LINES = 4000
_PATTERNS = 12  # changed lines that others are compared with
_LIKE = 0.62  # of a line's tokens in common with a changed one, in order
_SIBLINGS, _CALLEES, _RELATED = 4, 4, 30  # names, and places of each
_WINDOWS = 8  # of the rest of the workspace
_CURSOR_LINES = 2
_NEAR = 40.0  # lines

# Points in the sum; a place at which nothing speaks has -2.5, which is a score of 0.08.
_WEIGHTS = {
    "bias": -2.5,
    "reference": 1.6,  # of a symbol that changed
    "definition": 0.8,  # whose header did
    "dangling": 2.0,  # whose definition is gone, and there is no other of that name
    "unhandled": 2.0,  # a case of its neighbours, and none of what was put in
    "short": 2.0,  # the head of what is called with more than it takes
    "sibling": 1.0,  # uses a neighbour of what was put in: a member is often handled beside the others
    "callee": 1.8,  # the head of what a changed line calls
    "container": 0.5,  # uses the type in which something was put in
    "common": -1.2,  # its name is everywhere
    "similar": 2.6,  # 0 to 1: the share of tokens in common
    "gone": 0.9,  # has what the edit took away
    "done": -1.6,  # has what the edit brought already
    "diagnostic": 2.2,
    "named": 0.8,  # and it speaks of what changed
    "cursor": 0.6,
    "near": 0.8,  # to 0 at some distance from the edit
    "same_file": 0.4,
    "together": 1.0,  # 0 to 1: the share of the edited file's commits in which this one changed too
    "open": 0.3,
    "left": 4.0,  # a rule says that something is due here
    "comment": -1.5,
    "test": -0.2,
}
_FUNCTIONS = ("function", "method")
_HEAD = re.compile(r"\s*(?:[a-z]+\s+)*(?:def|func|fn|function|class|struct|interface|enum|trait|type)\b")
_CALLED = re.compile(r"(?<!\w)(\w+)\s*\(")  # from each letter of a long word it would take seconds
_TEST = re.compile(r"(?:^|[/_.-])(?:tests?|specs?|__tests__)(?=[/_.-])")
_KEYWORDS = frozenset(
    (
        *("and", "as", "async", "await", "break", "case", "class", "const", "continue", "def", "default", "del", "do"),
        *("elif", "else", "except", "export", "extends", "final", "finally", "fn", "for", "from", "func", "function"),
        *("if", "impl", "import", "in", "is", "let", "match", "mod", "mut", "new", "not", "null", "None", "nil", "or"),
        *("package", "pass", "private", "protected", "pub", "public", "raise", "return", "self", "Self", "static"),
        *("struct", "super", "switch", "this", "throw", "true", "True", "false", "False", "try", "type", "use", "var"),
        *("void", "while", "with", "yield", "int", "string", "str", "bool"),
    )
)


@dataclass(frozen=True)
class _Changed:
    """What the edits did, as the features need it."""

    hunks: tuple[Hunk, ...]
    symbols: tuple[str, ...]
    headers: frozenset[str]  # those of the symbols whose definition's head changed
    dangling: Mapping[str, due.Form]  # those that nothing is called any more
    gone: frozenset[str]
    come: frozenset[str]

    def touched(self, path: str, line: int) -> bool:
        return any(hunk.path == path and hunk.start <= line < hunk.stop for hunk in self.hunks)

    def distance(self, path: str, line: int) -> int | None:
        """Lines to the nearest edit in the file, None where there is none."""
        return min((abs(line - hunk.start) for hunk in self.hunks if hunk.path == path), default=None)


class _Lines:
    """The present lines of files, without terminators; of an edited file those that its edits left."""

    def __init__(self, workspace: Workspace, edited: Sequence[EditedFile]) -> None:
        self._workspace = workspace
        self._known: dict[str, Sequence[str]] = {file.path: lines_of(file.after) for file in edited}

    def of(self, path: str) -> Sequence[str]:
        if path not in self._known:
            self._known[path] = [content(line) for line in self._workspace.read(path) or ()]
        return self._known[path]


def find(
    workspace: Workspace,
    edited: Sequence[EditedFile],
    cursor: tuple[str, int] | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    left: Sequence[Place] = (),
    limit: int = LIMIT,
) -> tuple[Place, ...]:
    """At most `limit` places, the likeliest first, no two of the same lines. `cursor` is a file and its line; `left`
    are places where the rules know that something is due, but not what."""
    texts = _Lines(workspace, edited)
    changed = _changed(workspace, edited)
    found: dict[tuple[str, int], Place] = {}
    looks = (
        _left(left),
        _diagnostics(changed, diagnostics),
        _references(workspace, changed, texts),
        _related(workspace, changed, texts),
        _similar(workspace, changed, texts, cursor),
        _cursor(changed, texts, cursor),
    )
    for place in (place for look in looks for place in look):
        key = place.path, place.start
        if key in found:
            found[key] = _both(found[key], place)
        elif "left" in place.features or not changed.touched(*key):
            found[key] = place
    opened = {document.path for document in workspace.open_documents()} | {file.path for file in edited}
    also = together_with(workspace, [file.path for file in edited])
    scored = [_scored(place, changed, texts, opened, also) for place in found.values() if texts.of(place.path)]
    return tuple(sorted(scored, key=lambda place: (-place.score, place.path, place.start))[:limit])


def together_with(workspace: Workspace, paths: Iterable[str]) -> dict[str, float]:
    """The files that change together with one of these, with the share of their commits."""
    found: dict[str, float] = {}
    for path in dict.fromkeys(paths):
        for other, share in workspace.together.of(path):
            found[other] = max(share, found.get(other, 0.0))
    return found


def score(features: Mapping[str, float]) -> float:
    """How likely something is due, 0 to 1, by the features of a place."""
    points = _WEIGHTS["bias"] + sum(_WEIGHTS.get(name, 0.0) * value for name, value in features.items())
    return round(1 / (1 + math.exp(-points)), 4)


def _changed(workspace: Workspace, edited: Sequence[EditedFile]) -> _Changed:
    made = hunks(edited)
    gone, come = Counter[str](), Counter[str]()
    for hunk in made:
        gone += hunk.gone
        come += hunk.come
    headers = {
        row.name: None
        for path in dict.fromkeys(hunk.path for hunk in made)
        for row in workspace.graph.outline(path)
        if any(hunk.path == path and hunk.start <= row.line < hunk.stop for hunk in made)
    }
    names = (*(gone - come), *headers)
    symbols = tuple(dict.fromkeys(name for name in names if _is_name(name)))[:_SYMBOLS]
    words = {token for token in gone if _is_name(token)}
    dangling = due.dangling(workspace, edited, set(gone - come).intersection(symbols))
    return _Changed(
        made, symbols, frozenset(headers), dangling, frozenset(words), frozenset(filter(_is_name, come - gone))
    )


def _left(left: Sequence[Place]) -> Iterator[Place]:
    for place in left:
        yield replace(place, features={**place.features, "left": 1.0})


def _diagnostics(changed: _Changed, diagnostics: Sequence[Diagnostic]) -> Iterator[Place]:
    words = {*changed.symbols, *changed.gone, *changed.come}
    for one in diagnostics:
        named = not words.isdisjoint(WORD.findall(one.message))
        distance = changed.distance(one.path, one.start)
        if named or (distance is not None and distance <= _NEAR):
            features = {"diagnostic": 1.0, "named": float(named)}
            yield Place(one.path, one.start, max(one.stop, one.start + 1), ("diagnostic",), 0.0, features=features)


def _references(workspace: Workspace, changed: _Changed, texts: _Lines) -> Iterator[Place]:
    home = changed.hunks[0].path if changed.hunks else ""
    for name in changed.symbols:
        rows = workspace.graph.references(name, home, _REFERENCES)
        features = {"reference": 1.0, "definition": float(name in changed.headers)}
        features["common"] = float(len(rows) > _COMMON)
        form = changed.dangling.get(name)
        for row in rows:
            lines = texts.of(row.path) if form else ()
            dangles = form is not None and row.line < len(lines) and due.dangles(name, form, lines[row.line])
            said = features | {"dangling": 1.0} if dangles else features
            yield Place(row.path, row.line, row.line + 1, ("reference",), 0.0, name, said)


def _related(workspace: Workspace, changed: _Changed, texts: _Lines) -> Iterator[Place]:
    """Where the neighbours of what was put in are used, and the type around it; what the changed lines call."""
    names: dict[str, tuple[str, str]] = {}
    for hunk in changed.hunks:
        lines = texts.of(hunk.path)
        if not hunk.old:
            beside = (*lines[max(0, hunk.start - 1) : hunk.start], *lines[hunk.stop : hunk.stop + 1])
            same = [line for line in beside if _width(line) == _width(hunk.new[0])]
            names |= {name: (hunk.path, "sibling") for line in same if (name := _first_name(line))}
            around = [row for row in workspace.graph.outline(hunk.path) if row.line < hunk.start <= row.end_line]
            names |= {row.name: (hunk.path, "container") for row in around[-1:] if row.kind not in _FUNCTIONS}
        for name in list(dict.fromkeys(_CALLED.findall("\n".join(hunk.new))))[:_CALLEES] if hunk.old else ():
            for row in workspace.graph.definitions(name, hunk.path, 2) if _is_name(name) else ():
                short = due.short("\n".join(hunk.old), "\n".join(hunk.new), row)
                features = {"callee": 1.0, "short": float(short)}
                yield Place(row.path, row.line, row.line + 1, ("reference",), 0.0, name, features)
        for path, line, name in due.unhandled(workspace, hunk, texts.of):
            yield Place(path, line, line + 1, ("reference",), 0.0, name, {"sibling": 1.0, "unhandled": 1.0})
    for name, (path, relation) in list(names.items())[:_SIBLINGS]:
        for found in workspace.graph.references(name, path, _RELATED):
            yield Place(found.path, found.line, found.line + 1, ("reference",), 0.0, name, {relation: 1.0})


def _first_name(line: str) -> str:
    return next((word for word in WORD.findall(line) if _is_name(word)), "")


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _similar(workspace: Workspace, changed: _Changed, texts: _Lines, cursor: tuple[str, int] | None) -> Iterator[Place]:
    """Lines that look like changed ones did before, or like those above which or below which some were put in."""
    patterns: dict[tuple[str, ...], None] = {}
    also = together_with(workspace, [hunk.path for hunk in changed.hunks])
    for hunk in changed.hunks:
        lines = texts.of(hunk.path)
        beside = (*lines[max(0, hunk.start - 1) : hunk.start], *lines[hunk.stop : hunk.stop + 1])
        around = hunk.old or beside
        patterns |= dict.fromkeys(tokens for line in around if len(tokens := tuple(TOKEN.findall(line))) > 2)
    wanted = list(patterns)[:_PATTERNS]
    if not wanted:
        return
    paths = dict.fromkeys(hunk.path for hunk in changed.hunks)
    paths |= dict.fromkeys([cursor[0]] if cursor else [])
    paths |= dict.fromkeys(document.path for document in reversed(workspace.open_documents()))
    paths |= dict.fromkeys(also)
    shapes = [(tokens, frozenset(tokens), difflib.SequenceMatcher(None, b=tokens, autojunk=False)) for tokens in wanted]
    for path in list(paths)[:_FILES]:
        lines = texts.of(path)[:_FILE_LINES]
        for place in _alike(path, range(len(lines)), lines, shapes):
            yield replace(place, sources=("similar", "together")) if path in also else place
    query = [line for hunk in changed.hunks for line in hunk.old][:_PATTERNS] or [" ".join(one) for one in wanted]
    for window in workspace.similar.search(query, workspace.read, limit=_WINDOWS, boosts=dict.fromkeys(paths, 0.0)):
        yield from _alike(window.path, range(window.start, window.stop), texts.of(window.path), shapes)


_Shape = tuple[tuple[str, ...], frozenset[str], "difflib.SequenceMatcher[str]"]


def _alike(path: str, numbers: Iterable[int], lines: Sequence[str], shapes: Sequence[_Shape]) -> Iterator[Place]:
    for number in numbers:
        tokens = TOKEN.findall(lines[number])
        if len(tokens) < 3:
            continue
        best, own, is_head = 0.0, frozenset(tokens), bool(_HEAD.match(lines[number]))
        for wanted, words, matcher in shapes:
            # an upper bound of the ratio first: it is far cheaper
            if 2 * len(own & words) < 0.5 * (len(own) + len(words)) or len(tokens) > 2 * len(wanted) + 4:
                continue
            if is_head and not any(map(_is_name, own & words)):
                continue  # all heads of definitions look alike
            matcher.set_seq1(tokens)
            if matcher.real_quick_ratio() > max(best, _LIKE) and matcher.quick_ratio() > max(best, _LIKE):
                best = max(best, matcher.ratio())
        if best > _LIKE:
            yield Place(path, number, number + 1, ("similar",), 0.0, features={"similar": round(best, 3)})


def _cursor(changed: _Changed, texts: _Lines, cursor: tuple[str, int] | None) -> Iterator[Place]:
    """The lines around the cursor, and those behind the edits: what is typed goes on there."""
    places = [cursor] if cursor else []
    places += [(hunk.path, hunk.stop - 1) for hunk in changed.hunks[-2:]]
    for path, line in places:
        lines = texts.of(path)
        for number in range(max(0, line - _CURSOR_LINES), min(len(lines), line + _CURSOR_LINES + 1)):
            if lines[number].strip():
                near = 1 - abs(number - line) / (_CURSOR_LINES + 1)
                yield Place(path, number, number + 1, ("cursor",), 0.0, features={"cursor": round(near, 2)})


def _both(one: Place, other: Place) -> Place:
    """Two places of the same line as one."""
    sources: dict[PlaceSource, None] = dict.fromkeys((*one.sources, *other.sources))
    names = {*one.features, *other.features}
    features = {name: max(one.features.get(name, 0.0), other.features.get(name, 0.0)) for name in sorted(names)}
    return replace(
        one,
        stop=max(one.stop, other.stop),
        sources=tuple(sources),
        symbol=one.symbol or other.symbol,
        features=features,
    )


def _scored(place: Place, changed: _Changed, texts: _Lines, opened: set[str], also: Mapping[str, float]) -> Place:
    lines = texts.of(place.path)[place.start : place.stop]
    words = set(WORD.findall("\n".join(lines)))
    distance = changed.distance(place.path, place.start)
    features = {
        **place.features,
        "gone": float(bool(changed.gone) and not words.isdisjoint(changed.gone)),
        "done": float(bool(changed.come) and changed.come <= words),
        "same_file": float(distance is not None),
        "near": 0.0 if distance is None else round(math.exp(-distance / _NEAR), 3),
        "open": float(place.path in opened),
        "together": round(also.get(place.path, 0.0), 3),
        "comment": float(_is_comment(place.path, lines)),
        "test": float(bool(_TEST.search(place.path))),
    }
    features = {name: value for name, value in features.items() if value}
    return replace(place, score=score(features), features=features)


def _is_comment(path: str, lines: Sequence[str]) -> bool:
    language = languages.find("", path) or languages.PLAIN
    return not any(lexer.mask(line, language).strip() for line in lines)


def _is_name(token: str) -> bool:
    return WORD.fullmatch(token) is not None and len(token) > 1 and token not in _KEYWORDS

"""The change that the user has just made, made at the other places that look the same: exact, textual, no model.

A change of one of several siblings may be meant for that one alone. So it is carried only where much speaks for it:
either the user has made it twice already, or it wraps or guards what is there (a call or a statement comes in), in the
same file, at lines of the very same shape; and never if it would need a name that is not there. A new value, a new
name, a new parameter says nothing of the siblings. Knows no types: two lines that look alike are alike here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foretype.context import languages, lexer, minimal
from foretype.context.hunks import TOKEN, WORD, Hunk, hunks, lines_of
from foretype.context.next_edit import EditedFile, NextEdit, Place
from foretype.context.transfer import Transfer, shape, transfer

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace

_HUNKS = 8  # of the user's, that are carried
_WIDEST = 8  # lines of one
_LINES = 4000  # of a file that are looked at
_FILES = 12
_STRONG = 5  # tokens of a line whose shape says something
_STARTS = 200  # places that are tried
_MOST = 40  # edits
_ONCE, _TWICE = 0.6, 0.9  # confidence, by how often the user has made the change

_HEADER = re.compile(
    r"\s*(?:(?:export|default|public|private|protected|static|abstract|final|async|pub(?:\([^)]*\))?|@\w+)\s+)*"
    r"(?:def|func|fn|function|class|struct|interface|enum|trait|impl|type|import|from|package|use|#include|require)\b"
)
_NO_TYPES = frozenset(
    ("return", "new", "in", "of", "not", "and", "or", "is", "else", "await", "yield", "throw", "case")
)
_NO_TYPES |= {"const", "let", "var", "val", "final", "import", "as", "from", "delete", "typeof", "mut"}
_STATEMENT = re.compile(r"\s*(?:if|try|raise|throw|return|assert|with|defer|guard|unless|await)\b")
_LONGEST_HEAD = 500  # characters of a line; a file of one line would take minutes
_FUNCTION = re.compile(r"\w+\s*(?:<[^<>()]*>)?\(.*(?:[:{]|=>)\s*$")
_RECEIVER = re.compile(r"^func\s*\([^()]*\)")  # of a method in Go
_CONTROL = re.compile(r"\s*\}?\s*(?:if|elif|else|for|while|switch|match|catch|except|with|try|case|return)\b")


@dataclass(frozen=True)
class _Change:
    """Lines `old` that became `new`, with as many lines around both as it takes to know them again: from line `start`
    of the present text, and from line `before` of the text that was there."""

    hunk: Hunk
    old: tuple[str, ...]
    new: tuple[str, ...]
    start: int
    before: int
    changed: range  # the old lines that changed, or between which others were put in

    @property
    def strong(self) -> list[int]:
        """The numbers of the lines that say enough to be known by their shape."""
        return [at for at, line in enumerate(self.old) if len(TOKEN.findall(line)) >= _STRONG]


def repeat(workspace: Workspace, edited: Sequence[EditedFile], places: Sequence[Place] = ()) -> tuple[NextEdit, ...]:
    """The edits, in the order of the text within each change. In the files of `places`, other than the edited one, only
    what the user did twice is carried."""
    files = {file.path: file for file in edited}
    made = hunks(edited)
    parts = [part for hunk in made for part in _parts(hunk)][:_HUNKS]
    changes = [change for hunk in parts if (change := _change(files[hunk.path], hunk))]
    found: dict[tuple[str, int], NextEdit] = {}
    for change in changes:
        if _is_renaming(change.hunk):
            continue
        twice = any(_made_again(change, other, files) for other in changes if other is not change)
        if not twice and not _is_wrapping(change):
            continue
        paths = dict.fromkeys([change.hunk.path])
        if twice:
            paths |= dict.fromkeys(place.path for place in places)
        for path in list(paths)[:_FILES]:
            text = files[path].after if path in files else "".join(workspace.read(path) or ())
            taken = [range(hunk.start, max(hunk.stop, hunk.start + 1)) for hunk in made if hunk.path == path]
            for start, result in _carried(change, files[change.hunk.path].after, text, taken):
                found.setdefault((path, start), _edit(path, text, start, change, result, twice))
    return tuple(found.values())[:_MOST]


def _parts(hunk: Hunk) -> list[Hunk]:
    """A hunk by its lines, where the same was done to each of them."""
    if len(hunk.old) < 2 or len(hunk.old) != len(hunk.new):
        return [hunk]
    pairs = list(zip(hunk.old, hunk.new, strict=True))
    for old, new in pairs[1:]:
        made = transfer(hunk.old[:1], hunk.new[:1], (old,))
        if made is None or made.lines != (new,):
            return [hunk]
    return [
        Hunk(hunk.path, hunk.language, hunk.start_before + at, (old,), hunk.start + at, (new,))
        for at, (old, new) in enumerate(pairs)
    ]


def _change(file: EditedFile, hunk: Hunk) -> _Change | None:
    """A hunk with what is needed around it: a line on either side of one that only adds, one above a line that says too
    little by itself."""
    if not hunk.new or len(hunk.old) > _WIDEST or len(hunk.new) > _WIDEST:
        return None
    before, after = lines_of(file.before), lines_of(file.after)
    weak = all(len(TOKEN.findall(line)) < _STRONG for line in hunk.old)
    above = 1 if weak and hunk.start_before > 0 else 0
    below = 1 if not hunk.old and hunk.start_before < len(before) else 0
    first, last = hunk.start_before - above, hunk.start_before + len(hunk.old) + below
    old, new = before[first:last], after[hunk.start - above : hunk.stop + below]
    if above and not old[0].strip():
        return None
    if not hunk.old and not any(line.strip() for line in old):
        return None
    changed = range(above, max(above + len(hunk.old), above + 1))
    return _Change(hunk, tuple(old), tuple(new), hunk.start - above, first, changed)


def _made_again(change: _Change, other: _Change, files: Mapping[str, EditedFile]) -> bool:
    """Whether another hunk is the same change at another place."""
    before = lines_of(files[other.hunk.path].before)
    start = other.hunk.start_before - change.changed.start
    there = before[max(0, start) : max(0, start) + len(change.old)]
    made = transfer(change.old, change.new, there)
    after = lines_of(files[other.hunk.path].after)
    first = other.hunk.start - change.changed.start
    return made is not None and made.lines == tuple(after[max(0, first) : max(0, first) + len(change.new)])


def _is_renaming(hunk: Hunk) -> bool:
    """Whether words give way to as many others, and nothing else: whose name it is, only symbols can tell."""
    return sum(hunk.gone.values()) == sum(hunk.come.values()) and all(map(WORD.fullmatch, (*hunk.gone, *hunk.come)))


def _is_wrapping(change: _Change) -> bool:
    """Whether the change brings a call or a statement around or beside what was there, and more than a definition's
    head or a comment changes."""
    hunk = change.hunk
    language = languages.find(hunk.language, hunk.path) or languages.PLAIN
    if not any(WORD.fullmatch(token) for token in hunk.come) or all(
        _HEADER.match(line) for line in (hunk.old or hunk.new)
    ):
        return False
    if not any(lexer.mask(line, language).strip() for line in hunk.new):
        return False
    if not hunk.old:
        return _STATEMENT.match(hunk.new[0]) is not None
    if len(hunk.old) == len(hunk.new):
        pairs = zip(hunk.old, hunk.new, strict=True)
        return any(lexer.mask(new, language).count("(") > lexer.mask(old, language).count("(") for old, new in pairs)
    return hunk.come["("] > hunk.gone["("]


def _carried(change: _Change, own: str, text: str, taken: Sequence[range]) -> Iterator[tuple[int, Transfer]]:
    """Where in a text the change can be made, and what the lines there become."""
    home, lines = lines_of(own), lines_of(text)[:_LINES]
    strong, size = change.strong, len(change.old)
    if not strong:
        return
    shapes = {shape(change.old[at]): at for at in reversed(strong)}
    starts = {number - shapes[key] for number, line in enumerate(lines) if (key := shape(line)) in shapes}
    nearest = sorted(starts, key=lambda start: abs(start - change.start))[:_STARTS]
    done = -1
    for start in sorted(nearest):
        stop = start + size
        if start <= done or start < 0 or stop > len(lines):
            continue
        if any(start < busy.stop and busy.start < stop for busy in taken):
            continue
        here, there = _function(home, change.start), _function(lines, start)
        names = _heads(home, here, lines, there)
        made = transfer(change.old, change.new, lines[start:stop], names)
        if made is None or made.lines == tuple(lines[start:stop]) or not _is_alike(change, made):
            continue
        if _lacks_a_name(change, home, here, lines, there, made) or _differs_in_type(home, lines, made):
            continue
        done = stop - 1
        yield start, made


def _is_alike(change: _Change, made: Transfer) -> bool:
    """Whether enough of the lines have the very same shape: all around the change and, where there are none, half of
    those that it changed."""
    around = [at for at in range(len(change.old)) if at not in change.changed]
    if not change.hunk.old:
        return all(at in made.same_shape for at in range(len(change.old)))
    if not all(at in made.same_shape for at in around):
        return False
    same = sum(at in made.same_shape for at in change.changed)
    return bool(around) or (2 * same >= len(change.changed) and same > 0)


def _lacks_a_name(
    change: _Change,
    home: Sequence[str],
    here: tuple[int, int],
    lines: Sequence[str],
    there: tuple[int, int],
    made: Transfer,
) -> bool:
    """Whether the change brings a name that is one of the function's own where it was made, and not where it goes."""
    come = set(WORD.findall("\n".join(change.new))) - set(WORD.findall("\n".join(change.old)))
    written = range(change.start, change.start + len(change.new))
    own = set(WORD.findall("\n".join(home[at] for at in range(*here) if at not in written)))
    beyond = set(WORD.findall("\n".join(line for line in lines if line[:1].strip() and not _is_head(line))))
    near = set(WORD.findall("\n".join(lines[slice(*there)])))
    return any(made.names.get(name, name) not in near | beyond for name in come & own)


def _differs_in_type(home: Sequence[str], lines: Sequence[str], made: Transfer) -> bool:
    """Whether names that stand for each other are declared with different types, as far as lines tell that."""
    for one, other in made.names.items():
        types = [found for text, name in ((home, one), (lines, other)) if (found := _declared(text, name))]
        if len(types) == 2 and types[0].isdisjoint(types[1]):
            return True
    return False


def _declared(lines: Sequence[str], name: str) -> set[str]:
    """What is written where a type is: before the name, as in Java, or behind it, as in Go, Python and TypeScript."""
    if not WORD.fullmatch(name):
        return set()
    before = re.compile(rf"([A-Za-z_][\w.]*(?:<[^<>]*>)?(?:\[\])?)\s+{name}\s*[;,=)]")
    behind = re.compile(rf"\b{name}\s*:\s*([A-Za-z_&*][\w.]*)|^\s*{name}\s+(\*?[A-Za-z_\[][\w.\]]*)\s*$")
    found: set[str] = set()
    for line in lines:
        if name in line:
            said = [*before.findall(line), *(one or other for one, other in behind.findall(line))]
            found.update(one for one in said if one not in _NO_TYPES)
    return found


def _function(lines: Sequence[str], number: int) -> tuple[int, int]:
    """The lines of the function around a line, as indentation tells; the whole text where there is none."""
    width = _width(lines[number]) if number < len(lines) else 0
    head = number
    if not _is_head(lines[number] if number < len(lines) else ""):
        for head in range(number, -1, -1):
            line = lines[head]
            if line.strip() and _width(line) < width:
                width = _width(line)
                if _is_head(line):
                    break
        else:
            return 0, len(lines)
    width = _width(lines[head])
    stop = next(
        (
            at
            for at in range(head + 1, len(lines))
            if lines[at].strip() and _width(lines[at]) <= width and lines[at].strip()[0] not in ")]}"
        ),
        len(lines),
    )
    return head, stop


def _is_head(line: str) -> bool:
    return len(line) <= _LONGEST_HEAD and bool(_FUNCTION.search(line)) and not _CONTROL.match(line)


def _heads(home: Sequence[str], here: tuple[int, int], lines: Sequence[str], there: tuple[int, int]) -> dict[str, str]:
    """The names of the two functions, if they have heads: one stands for the other."""
    one, other = _name(home[here[0]]), _name(lines[there[0]])
    return {one: other} if one and other and one != other else {}


def _name(line: str) -> str:
    """The name that a function's head gives it; "" of any other line."""
    found = re.search(r"\w+(?=\s*(?:<[^<>]*>)?\()", _RECEIVER.sub("", line)) if _is_head(line) else None
    return found[0] if found else ""


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _edit(path: str, text: str, start: int, change: _Change, made: Transfer, twice: bool) -> NextEdit:
    return minimal.edit(
        path,
        text,
        (start, start + len(change.old)),
        made.lines,
        lane="rule",
        reason="similar",
        why=f"as in line {change.hunk.start + 1}" + ("" if path == change.hunk.path else f" of {change.hunk.path}"),
        confidence=_TWICE if twice else _ONCE,
    )

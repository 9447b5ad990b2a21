"""How good proposed edits are: what they would make of the texts, beside what should become of them.

Places are the runs of lines in which the present text differs from what it becomes, so that it does not matter in how
many edits a proposal is written. deltaChrF is chrF (M. Popovic, "chrF: character n-gram F-score", WMT 2015; n-grams of
1 to 6 characters, beta 2, white space left out) of what changes instead of what is there: of the n-grams that an edit
takes away and of those that it brings, as Zed's evaluation of edit predictions defines it. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from foretype.context.hunks import Hunk, hunks
from foretype.context.next_edit import EditedFile, NextEdit
from foretype.context.text import split_lines

Texts = Mapping[str, str]  # by path
Done = Mapping[str, tuple[Counter[str], Counter[str]]]  # by path: the lines that the user took away, and brought

ORDERS = range(1, 7)
BETA = 2.0
# An edit at a right place does too much that changes more than so many times what was due, and so many characters more.
_OVER, _OVER_FREE = 1.5, 8
_REVERSED = 0.5  # share of an edit's changed lines that go back to what the user changed


@dataclass(frozen=True)
class Verdict:
    """One answer. Counts are of places and files; `first_exact` says whether the first edit's place becomes what it
    should, `first_right` whether it is one of those that are due. `exact` is about all of them. deltaChrF lies in
    0..100. `clashes` counts edits that no text could take, or that change what an earlier one of them changes."""

    due: bool
    shown: bool
    exact: bool
    first_exact: bool
    first_right: bool
    delta_chrf: float
    expected: int
    found: int
    proposed: int
    right: int
    files_expected: int
    files_found: int
    reversals: int
    over_edits: int
    alone_kept: bool
    clashes: int


def judge(
    now: Texts,
    expected: Sequence[Texts],
    edits: Sequence[NextEdit],
    done: Done | None = None,
    alone: Iterable[tuple[str, int]] = (),
) -> Verdict:
    """The verdict on `edits` of the texts `now`, by the answer of `expected` that they come nearest to. `done` is what
    the user did, `alone` are lines that nothing may touch."""
    after, clashes = applied(now, edits)
    proposed = changes(now, after)
    touched = {(hunk.path, line) for hunk in proposed for line in _lines(hunk)}
    back = sum(_reverses(hunk, done or {}) for hunk in proposed)
    kept = touched.isdisjoint(alone)
    verdicts = [_against(now, answer, after, proposed, edits, back, kept, clashes) for answer in expected]
    return max(verdicts, key=lambda one: (one.exact, one.delta_chrf, one.found))


def done_by(edited: Iterable[EditedFile]) -> Done:
    """What edits of files did to their lines."""
    found: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for hunk in hunks(list(edited)):
        gone, come = found.setdefault(hunk.path, (Counter(), Counter()))
        gone.update(said(hunk.old))
        come.update(said(hunk.new))
    return found


def applied(now: Texts, edits: Sequence[NextEdit]) -> tuple[dict[str, str], int]:
    """All texts with the edits in them, each of which is of the texts as they are now, and how many clash."""
    taken: dict[str, list[tuple[int, int, str]]] = {}
    clashes = 0
    for edit in edits:
        place = _offsets(now, edit)
        rows = taken.setdefault(edit.path, [])
        if place is None or any(_overlap(place, row[:2]) for row in rows):
            clashes += 1
        else:
            rows.append((*place, edit.text))
    after = dict(now)
    for path, rows in taken.items():
        for start, stop, text in sorted(rows, reverse=True):
            after[path] = after[path][:start] + text + after[path][stop:]
    return after, clashes


def changes(now: Texts, after: Texts) -> list[Hunk]:
    """Where the texts differ: `start_before` and `old` are lines of `now`."""
    files = [EditedFile(path, "", text or "\n", after[path] or "\n") for path, text in now.items()]
    return list(hunks(files))


def delta_chrf(originals: Sequence[str], expected: Sequence[str], actual: Sequence[str]) -> float:
    """0..100 for what texts should have become and what became of them, the texts of a case together; 100 where both
    are what they were. Precision and recall are averaged over the orders before they are combined."""
    if list(originals) == list(expected) == list(actual):
        return 100.0
    precision = recall = 0.0
    for order in ORDERS:
        had = [_grams(text, order) for text in originals]
        due = _delta(had, [_grams(text, order) for text in expected])
        done = _delta(had, [_grams(text, order) for text in actual])
        if not due and not done:
            precision, recall = precision + 1, recall + 1
            continue
        both = (due & done).total()
        precision += both / done.total() if done else 0.0
        recall += both / due.total() if due else 0.0
    precision, recall = precision / len(ORDERS), recall / len(ORDERS)
    if not precision + recall:
        return 0.0
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def same(one: Texts, other: Texts) -> bool:
    """Whether texts are the same but for white space at the ends of lines and of the text."""
    return {path: _trimmed(text) for path, text in one.items()} == {path: _trimmed(t) for path, t in other.items()}


def _against(
    now: Texts,
    answer: Texts,
    after: Texts,
    proposed: Sequence[Hunk],
    edits: Sequence[NextEdit],
    reversals: int,
    kept: bool,
    clashes: int,
) -> Verdict:
    due = changes(now, answer)
    found = [hunk for hunk in due if any(meet(hunk, other) for other in proposed)]
    right = [hunk for hunk in proposed if any(meet(hunk, other) for other in due)]
    paths = [path for path in now if (now[path], now[path]) != (answer[path], after[path])]
    first = _first(proposed, edits)
    texts = [[side[path] for path in paths] for side in (now, answer, after)]
    over = sum(_is_over(_size([hunk]), _size(other for other in due if meet(hunk, other))) for hunk in right)
    files = {hunk.path for hunk in due}
    return Verdict(
        due=bool(due),
        shown=bool(proposed),
        exact=same(answer, after) and not clashes,
        first_exact=first is not None and any(_is(first, other) for other in due),
        first_right=first is not None and first in right,
        delta_chrf=delta_chrf(*texts),
        expected=len(due),
        found=len(found),
        proposed=len(proposed),
        right=len(right),
        files_expected=len(files),
        files_found=len(files & {hunk.path for hunk in proposed}),
        reversals=reversals,
        over_edits=over,
        alone_kept=kept,
        clashes=clashes,
    )


def _first(proposed: Sequence[Hunk], edits: Sequence[NextEdit]) -> Hunk | None:
    """The place of the first edit that changes something."""
    for edit in edits:
        for hunk in proposed:
            last = hunk.start_before + max(1, len(hunk.old))
            if hunk.path == edit.path and edit.span.start_line <= last and hunk.start_before <= edit.span.end_line:
                return hunk
    return None


def _lines(hunk: Hunk) -> range:
    return range(hunk.start_before, hunk.start_before + len(hunk.old))


def meet(one: Hunk, other: Hunk) -> bool:
    """Whether two places are one: they share a line, or lie side by side where one only inserts."""
    if one.path != other.path:
        return False
    a, b = _lines(one), _lines(other)
    near = 0 if a and b else 1
    return a.start < b.stop + near and b.start < a.stop + near


def _is(one: Hunk, other: Hunk) -> bool:
    return (one.path, one.start_before, one.old) == (other.path, other.start_before, other.old) and [
        line.rstrip() for line in one.new
    ] == [line.rstrip() for line in other.new]


def _size(rows: Iterable[Hunk]) -> int:
    """Characters that change, on the side where they are more."""
    total = 0
    for row in rows:
        old, new = "\n".join(row.old), "\n".join(row.new)
        shorter = min(len(old), len(new))
        head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
        tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
        total += max(len(old), len(new)) - head - tail
    return total


def _is_over(size: int, due: int) -> bool:
    return size > max(_OVER * due, due + _OVER_FREE)


def _reverses(hunk: Hunk, done: Done) -> bool:
    """Whether a change brings lines that the user took away there, or takes away those that he brought."""
    gone, come = done.get(hunk.path, (Counter[str](), Counter[str]()))
    old, new = said(hunk.old), said(hunk.new)
    changed = (old - new).total() + (new - old).total()
    back = ((new - old) & (gone - come)).total() + ((old - new) & (come - gone)).total()
    return changed > 0 and back > _REVERSED * changed


def said(lines: Iterable[str]) -> Counter[str]:
    """Lines by their contents, without indentation; those that say nothing are left out."""
    return Counter(line.strip() for line in lines if line.strip())


def _offsets(now: Texts, edit: NextEdit) -> tuple[int, int] | None:
    """Where an edit's span is in the text; None where the text has no such place."""
    if edit.path not in now:
        return None
    lines = split_lines(now[edit.path])
    starts = [0, *accumulate(map(len, lines))]
    span = edit.span
    ends = []
    for line, column in ((span.start_line, span.start_column), (span.end_line, span.end_column)):
        if line == len(lines) and column == 0:
            ends.append(starts[-1])
        elif not 0 <= line < len(lines) or not 0 <= column <= len(lines[line]):
            return None
        else:
            ends.append(starts[line] + column)
    return (ends[0], ends[1]) if ends[0] <= ends[1] else None


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one == other or (one[0] < other[1] and other[0] < one[1])


def _grams(text: str, order: int) -> Counter[str]:
    bare = "".join(text.split())
    return Counter(bare[at : at + order] for at in range(len(bare) - order + 1))


def _delta(before: Sequence[Counter[str]], after: Sequence[Counter[str]]) -> Counter[tuple[int, bool, str]]:
    """What n-grams each text lost, and what it got."""
    found: Counter[tuple[int, bool, str]] = Counter()
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        for gram, count in (new - old).items():
            found[at, True, gram] = count
        for gram, count in (old - new).items():
            found[at, False, gram] = count
    return found


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]

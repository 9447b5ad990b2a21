"""From a group of related hunks to rows: some edits are history, the next one is the target.

The hunks are put in the order in which they would be made (`mining/order.py`) and cut at a random point. Edits before
the cut go through the same `History` that the server feeds, so that a row's diffs are what a prompt shows; the text has
them applied, and nothing of what comes later. Hunks of other groups are not applied: as far as this group goes, they
never happen. Random choices depend on a key alone. Does not know why a commit was kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from foretype.context.history import History
from foretype.context.rows import Diff, EditRow, Label, Origin, Target, Window
from foretype.context.text import Snapshot, content, split_lines
from foretype.mining import order
from foretype.mining.commit import FileTexts, Hunk
from foretype.mining.order import Step, steps
from foretype.mining.touched import Touched

WINDOW_LINES = 24
# What an answer of 96 tokens can hold, at 3.5 characters of code a token, and still be looked at in one go.
TARGET_CHARS = 336
TARGET_LINES = 12
_HISTORY = 8  # edits a row holds
_LEAST_LINES = 6  # of a window without an edit
_MARGIN = 2  # lines that a window shows on either side of what changes, where there are any
_TRIES = 6
_BY_ITSELF = 0.5  # of a line that is the group's only edit: less says too little of the rest
_APART_S = 60.0  # between two edits, so that the history keeps them apart


@dataclass(frozen=True)
class Shares:
    """Of how many groups, 0 to 1: the last edit has only begun; a row says that all is done; a row shows lines that the
    commit left alone beside those that it changed."""

    half_typed: float = 0.25
    done: float = 0.25
    left_alone: float = 0.25


@dataclass(frozen=True)
class _File:
    """A file's lines with terminators, before and after the commit."""

    texts: FileTexts
    old: tuple[str, ...]
    new: tuple[str, ...]

    def added(self, hunk: Hunk) -> list[str]:
        return list(self.new[hunk.new_start : hunk.new_start + len(hunk.new)])


@dataclass(frozen=True)
class _Change:
    """An edit as the history takes it: lines that give way to others."""

    line: int
    removed: str
    inserted: str
    column: int = 0


@dataclass(frozen=True)
class _Told:
    """What was done so far: the diffs, and the present lines of each file with their terminators."""

    history: tuple[Diff, ...]
    lines: dict[str, list[str]]


def rows(
    files: Sequence[FileTexts],
    group: Sequence[Touched],
    origin: Origin,
    key: str,
    label: Label = "edit",
    shares: Shares = Shares(),
) -> Iterator[EditRow]:
    """The rows of one group, at most three. `files` are all the commit's; `origin` is completed by path and language.

    The same `key` makes the same choices. A group has none where a file's hunks do not lead from its text before to
    the one after, and none where no edit of it fits an answer.
    """
    story = steps(group)
    known = {step.file.path: _file(step.file) for step in story}
    if not story or not all(_is_whole(file) for file in known.values()):
        return
    rng = random.Random(key)
    half, done, alone = (rng.random() < share for share in (shares.half_typed, shares.done, shares.left_alone))
    half_row = _half_typed(story, known, origin, label, rng) if half else None
    row = half_row or _cut(story, known, origin, label, rng)
    if row:
        yield row
    told = _tell(story, known)
    if not told.history:
        return
    pending = _pending(files, group)
    if done and (row := _done(story, told, pending, origin, rng)):
        yield row
    if alone and (row := _left_alone(story, known, pending, origin, rng)):
        yield row


def single(file: FileTexts, hunk: Hunk, origin: Origin, key: str, label: Label) -> EditRow | None:
    """A hunk by itself, without a history; None where it does not fit an answer, or the file's hunks its texts."""
    lines = _file(file)
    if not _is_whole(lines) or not _fits(hunk.old, hunk.new):
        return None
    target = _target(hunk.old_start, hunk.old, hunk.new)
    told = _Told((), {file.path: list(lines.old)})
    return _row(file, told, target, origin, label, "by itself", random.Random(key))


def _cut(
    story: Sequence[Step], known: dict[str, _File], origin: Origin, label: Label, rng: random.Random
) -> EditRow | None:
    """History up to one of the steps, which is the target."""
    fit = [index for index in range(1, len(story)) if _fits(story[index].hunk.old, story[index].hunk.new)]
    if not fit:
        return None
    index = rng.choice(fit)
    told, step = _tell(story[:index], known), story[index]
    if not told.history:
        return None
    at = _place(step, story[:index])
    target = _target(at, step.hunk.old, step.hunk.new)
    why = f"step {index + 1} of {len(story)}"
    return _row(step.file, told, target, origin, label, why, rng)


def _half_typed(
    story: Sequence[Step], known: dict[str, _File], origin: Origin, label: Label, rng: random.Random
) -> EditRow | None:
    """History up to a step that has only begun; the rest of it is the target."""
    least = _BY_ITSELF if len(story) == 1 else 0.0
    for _ in range(_TRIES):
        index = rng.randrange(len(story))
        step, file = story[index], known[story[index].file.path]
        old, new = list(file.old[step.hunk.old_start :][: len(step.hunk.old)]), file.added(step.hunk)
        begun = _begun(old, new, rng, least)
        if begun is None or "".join(begun) in ("".join(old), "".join(new)):
            continue
        told = _tell(story[:index], known, (step, begun))
        now, wanted = tuple(map(content, begun)), tuple(map(content, new))
        target = _target(_place(step, story[:index]), now, wanted)
        if told.history and _fits(now[: target.stop - target.start], target.lines):
            row = _row(step.file, told, target, origin, label, f"step {index + 1} of {len(story)} has begun", rng)
            return replace(row, half_typed=True) if row else None
    return None


def _done(
    story: Sequence[Step],
    told: _Told,
    pending: dict[str, list[Hunk]],
    origin: Origin,
    rng: random.Random,
) -> EditRow | None:
    """All of the group is history; the window is around one of its places."""
    step = rng.choice(story)
    at = _place(step, [other for other in story if other is not step])
    start, stop = _window(at, at + min(len(step.hunk.new), WINDOW_LINES), len(told.lines[step.file.path]), rng)
    if _overlaps(step.file.path, start, stop, story, pending):
        return None
    return _row_at(step.file, told, start, stop, None, origin, "no_edit", f"all {len(story)} steps are done")


def _left_alone(
    story: Sequence[Step],
    known: dict[str, _File],
    pending: dict[str, list[Hunk]],
    origin: Origin,
    rng: random.Random,
) -> EditRow | None:
    """Some of the group is history; the window is above or below one of its places and holds nothing that changed."""
    index = rng.randrange(len(story)) + 1
    done = story[:index]
    told = _tell(done, known)
    every = {path: [*hunks, *_hunks(story, path)] for path, hunks in pending.items()}
    sides = [(step, below) for step in story for below in (True, False)]
    for step, below in rng.sample(sides, min(len(sides), _TRIES)) if told.history else ():
        path = step.file.path
        lines = told.lines.get(path) or list(known[path].old)
        at = _place(step, [other for other in done if other is not step])
        end = at + len(step.hunk.new if step in done else step.hunk.old)
        space = rng.randint(1, WINDOW_LINES // 3)
        start, stop = (end + space, end + space + WINDOW_LINES) if below else (at - space - WINDOW_LINES, at - space)
        start, stop = max(0, start), max(0, min(stop, len(lines)))
        enough = sum(bool(line.strip()) for line in lines[start:stop]) >= _LEAST_LINES
        if enough and not _overlaps(path, start, stop, done, every):
            now = replace(told, lines={**told.lines, path: lines})
            why = f"left alone beside step {story.index(step) + 1} of {len(story)}"
            return _row_at(step.file, now, start, stop, None, origin, "no_edit", why)
    return None


def _tell(done: Sequence[Step], known: dict[str, _File], begun: tuple[Step, list[str]] | None = None) -> _Told:
    """What the history says after these steps, and after another that has come as far as `begun`."""
    history, now = History(), 0.0
    lines: dict[str, list[str]] = {}
    made = [(step, known[step.file.path].added(step.hunk)) for step in done]
    for index, (step, added) in enumerate([*made, *([begun] if begun else [])]):
        path = step.file.path
        present = lines.get(path) or list(known[path].old)
        at = _place(step, done[:index])
        removed = present[at : at + len(step.hunk.old)]
        snapshot = Snapshot(path, path, step.file.language.name, index, tuple(present))
        now += _APART_S
        history.record(snapshot, [_Change(at, "".join(removed), "".join(added))], now)
        present[at : at + len(removed)] = added
        # only at its end may a text have lost or won a terminator
        at_end = at + len(added) + 1 >= len(present)
        lines[path] = split_lines("".join(present)) if at_end else present
    events = history.recent(_HISTORY)
    return _Told(tuple(Diff(event.path, event.diff) for event in reversed(events) if event.diff), lines)


def _begun(old: Sequence[str], new: Sequence[str], rng: random.Random, least: float = 0.0) -> list[str] | None:
    """What stands there while the new lines are being typed: those above are there, one is typed from its start up to
    the share `least` of what is new in it or further, its old one is gone, and the old ones below are still to be
    replaced. None where no line is new, as in a deletion, or the one drawn has nothing to stop in."""
    blocks = [block for block in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if block[0] != "equal"]
    places = [(line, a + line - c, b) for _, a, b, c, d in blocks for line in range(c, d)]
    if not places:
        return None
    line, own, last = rng.choice(places)
    body = content(new[line])
    same, _ = _shared(content(old[own]) if own < last else "", body)
    typed = body[same:].rstrip()
    bare = len(typed.lstrip())  # indentation alone is no beginning
    first = len(typed) - bare + max(1, round(least * bare))
    if first >= len(typed):
        return None
    end, rest = new[line][len(body) :], old[min(own + 1, last) :]
    half = body[: same + rng.randrange(first, len(typed))]
    return [*new[:line], half + end, *rest] if end or not rest else None


def _target(at: int, now: Sequence[str], wanted: Sequence[str]) -> Target:
    head, tail = _shared(now, wanted)
    return Target(at + head, at + len(now) - tail, tuple(wanted[head : len(wanted) - tail]))


def _row(
    file: FileTexts, told: _Told, target: Target, origin: Origin, label: Label, why: str, rng: random.Random
) -> EditRow | None:
    lines = told.lines.get(file.path) or list(order.lines(file.before))
    told = replace(told, lines={**told.lines, file.path: lines})
    start, stop = _window(target.start, target.stop, len(lines), rng)
    return _row_at(file, told, start, stop, target, origin, label, why)


def _row_at(
    file: FileTexts,
    told: _Told,
    start: int,
    stop: int,
    target: Target | None,
    origin: Origin,
    label: Label,
    why: str,
) -> EditRow:
    here = replace(origin, path=file.path, language=file.language.name, why=(*origin.why, why))
    window = Window(file.path, start, tuple(map(content, told.lines[file.path][start:stop])))
    return EditRow(here, label, told.history, False, window, target)


def _window(start: int, stop: int, count: int, rng: random.Random) -> tuple[int, int]:
    """A window that holds the lines `start` to `stop`, at a random place in it."""
    room = max(0, WINDOW_LINES - (stop - start))
    above = rng.randint(min(_MARGIN, room), max(min(_MARGIN, room), room - _MARGIN))
    first = max(0, min(start - above, count - WINDOW_LINES))
    return first, min(count, max(stop, first + WINDOW_LINES))


def _place(step: Step, done: Sequence[Step]) -> int:
    """The line at which a step's lines are, once the steps `done` are made."""
    above = (other.hunk for other in done if other.file is step.file and other.hunk.old_start < step.hunk.old_start)
    return step.hunk.old_start + sum(len(hunk.new) - len(hunk.old) for hunk in above)


def _pending(files: Sequence[FileTexts], group: Sequence[Touched]) -> dict[str, list[Hunk]]:
    """The hunks of other groups by path."""
    own = {(item.file.path, item.hunk.old_start, item.hunk.new_start) for item in group}
    return {
        file.path: [hunk for hunk in file.hunks if (file.path, hunk.old_start, hunk.new_start) not in own]
        for file in files
    }


def _overlaps(path: str, start: int, stop: int, done: Sequence[Step], pending: dict[str, list[Hunk]]) -> bool:
    """Whether lines of the text after the steps `done` hold the place of another hunk."""
    made = _hunks(done, path)
    for hunk in pending.get(path, ()):
        at = hunk.old_start + sum(len(m.new) - len(m.old) for m in made if m.old_start < hunk.old_start)
        length = len(hunk.new) if hunk in made else len(hunk.old)
        if at <= stop and at + length >= start:
            return True
    return False


def _hunks(story: Sequence[Step], path: str) -> list[Hunk]:
    return [step.hunk for step in story if step.file.path == path]


def _fits(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether a change can be a target."""
    short = max(len(old), len(new)) <= TARGET_LINES and sum(map(len, new)) <= TARGET_CHARS
    return short and tuple(old) != tuple(new)


def _file(texts: FileTexts) -> _File:
    return _File(texts, order.lines(texts.before), order.lines(texts.after))


def _is_whole(file: _File) -> bool:
    """False where lines are counted otherwise than here (a lone carriage return), or hunks are missing."""
    made, at = [], 0
    for hunk in file.texts.hunks:
        made += [*file.old[at : hunk.old_start], *file.added(hunk)]
        at = hunk.old_start + len(hunk.old)
    return "".join([*made, *file.old[at:]]) == file.texts.after


def _shared(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """How much two sequences have in common at their starts, and in what is left of them at their ends."""
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    return head, tail

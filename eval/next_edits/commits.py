"""Commits of real histories that rename a symbol, or change a function's parameters, and little else.

A commit counts if the name of exactly one definition changed, or the parameters of exactly one function did; if some
other line of code follows from it; and if most of its hunks are about it (`MOSTLY`). Commits that add, move or delete
source files, delete uses, or keep the old name beside the new one, are left out. Definitions are found by nothing that
the rules use themselves (`heads.py`). Does not judge anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from foretype.context.next_edit import EditedFile
from foretype.eval.next_edits import heads
from foretype.eval.next_edits.heads import Definition
from foretype.mining.commit import Hunk
from foretype.mining.git import Change, History

MOSTLY = 0.6  # of the hunks in source files mention the name
_MOST_FILES, _MOST_HUNKS, _MOST_BYTES = 30, 150, 400_000
_COMMITS = 6000  # of a history, from the newest on


@dataclass(frozen=True)
class Task:
    """One commit. `edited` is the defining edit alone; `before` and `after` are the texts of all source files that the
    commit changed, by path, before it and after it; `name` is what the symbol's users call it, before the commit."""

    repository: str
    commit: str
    parent: str
    subject: str
    kind: Literal["rename", "signature"]
    name: str
    new_name: str
    edited: EditedFile
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def base(self) -> dict[str, str]:
        """The texts in which the defining edit has been made, and nothing else."""
        return {**self.before, self.edited.path: self.edited.after}


def tasks(history: History, commits: int = _COMMITS) -> Iterator[Task]:
    """The tasks of a history, newest first."""
    said = {commit.sha: commit for commit in islice(history.commits(), commits) if len(commit.parents) == 1}
    for (sha, changed), (_, patch) in zip(history.changes(said), history.patches(said), strict=True):
        if not changed or not patch:
            continue
        files = [change for change in changed if heads.language(change.path) or heads.language(change.old_path)]
        if not 0 < len(files) <= _MOST_FILES or any(change.status != "M" for change in files):
            continue
        rows = {change.path: patch[change.old_id, change.new_id].hunks for change in files if _key(change) in patch}
        if not 1 < sum(map(len, rows.values())) <= _MOST_HUNKS or not any(_defines(*one) for one in rows.items()):
            continue
        texts = _texts(history, files)
        if texts is None:
            continue
        commit = said[sha]
        found = _renamed(rows, *texts) or _resigned(rows, *texts)
        if found is not None:
            kind, name, new_name, edited = found
            yield Task(
                *(commit.repository, sha, commit.parents[0], commit.subject, kind, name, new_name, edited, *texts)
            )


def regiven(path: str, old: Sequence[str], new: Sequence[str], name: str) -> bool:
    """Whether a function is given something else in a call than it was."""
    return bool(heads.given(path, old, name) - heads.given(path, new, name))


_Found = tuple[Literal["rename", "signature"], str, str, EditedFile]
_Rows = Mapping[str, Sequence[Hunk]]
_Texts = Mapping[str, str]


def _renamed(rows: _Rows, before: _Texts, after: _Texts) -> _Found | None:
    """A definition that has another name now, if it is the only one."""
    pairs = []
    for path, changed in rows.items():
        old, new = heads.definitions(path, before[path]), heads.definitions(path, after[path])
        for hunk in changed:
            gone = [row for row in old if hunk.old_start <= row.start < hunk.old_start + len(hunk.old)]
            come = [row for row in new if hunk.new_start <= row.start < hunk.new_start + len(hunk.new)]
            if len(gone) == len(come):
                pairs += [
                    (path, one, other) for one, other in zip(gone, come, strict=True) if _same_but_name(one, other)
                ]
    words = {(one.own_name, other.own_name) for _, one, other in pairs}
    # the pair that most other lines follow
    for old_name, new_name in sorted(words, key=lambda pair: (-_following(rows, *pair), pair)):
        places = [(path, one) for path, one, other in pairs if (one.own_name, other.own_name) == (old_name, new_name)]
        if len(places) != 1:
            continue
        path, place = places[0]
        known = any(row.own_name == new_name for row in heads.definitions(path, before[path]))
        if known or _kept(rows, after, old_name) or not _mostly(rows, (old_name,), (new_name,)):
            continue
        if not _follow(rows, before, path, place, old_name) or not _pure(rows, before, after, old_name, new_name):
            continue
        lines = before[path].split("\n")
        lines[place.start] = re.sub(rf"\b{re.escape(old_name)}\b", new_name, lines[place.start], count=1)
        return "rename", old_name, new_name, _edited(path, before[path], "\n".join(lines))
    return None


def _resigned(rows: _Rows, before: _Texts, after: _Texts) -> _Found | None:
    """A function whose parameters are not what they were, if it is the only one and a call follows from it."""
    pairs = []
    for path, changed in rows.items():
        old, new = heads.definitions(path, before[path]), heads.definitions(path, after[path])
        by_name: dict[str, list[Definition]] = {}
        for row in new:
            by_name.setdefault(row.name, []).append(row)
        for row in old:
            others = by_name.get(row.name, [])
            if len(others) != 1 or sum(other.name == row.name for other in old) != 1:
                continue
            same = heads.squeezed(row.parameters) == heads.squeezed(others[0].parameters)
            if not same and any(_touches(hunk, row) for hunk in changed):
                pairs.append((path, row, others[0]))
    if len(pairs) != 1:
        return None
    path, one, other = pairs[0]
    if one.parameters is None or other.parameters is None:
        return None
    if not _mostly(rows, (one.name,), (one.name,), (path, one)) or not _calls_follow(rows, path, one):
        return None
    if not _pure(rows, before, after, one.name, one.name):
        return None
    lines, theirs = before[path].split("\n"), after[path].split("\n")
    lines[one.start : one.stop] = theirs[other.start : other.stop]
    return "signature", one.name, one.name, _edited(path, before[path], "\n".join(lines))


def _touches(hunk: Hunk, row: Definition) -> bool:
    """Whether a hunk changes a definition's head, or the lines right at it."""
    return hunk.old_start < row.stop and row.start <= hunk.old_start + len(hunk.old)


def _same_but_name(one: Definition, other: Definition) -> bool:
    if one.own_name == other.own_name:
        return False
    return heads.squeezed(one.head.replace(one.own_name, other.own_name, 1)) == heads.squeezed(other.head)


def _following(rows: _Rows, old_name: str, new_name: str) -> int:
    """How many hunks have the one name before and the other after."""
    return sum(
        heads.has(hunk.old, old_name) and heads.has(hunk.new, new_name) for each in rows.values() for hunk in each
    )


def _mostly(rows: _Rows, old: Iterable[str], new: Iterable[str], own: tuple[str, Definition] | None = None) -> bool:
    """Whether most hunks are about names; what is in the function's own body is."""
    total = about = 0
    for path, changed in rows.items():
        for hunk in changed:
            total += 1
            named = any(heads.has(hunk.old, name) for name in old) or any(heads.has(hunk.new, name) for name in new)
            body = (
                own is not None and path == own[0] and own[1].start <= hunk.old_start <= own[1].stop + heads.HEAD_LINES
            )
            about += named or body
    return about >= MOSTLY * total


def _follow(rows: _Rows, before: _Texts, path: str, place: Definition, name: str) -> bool:
    """Whether the commit changes another line of code that has the name."""
    for each, changed in rows.items():
        if not any(heads.has(hunk.old, name) for hunk in changed):
            continue
        for at in heads.uses(each, before[each], name):
            own = each == path and place.start <= at < place.stop
            if not own and any(hunk.old_start <= at < hunk.old_start + len(hunk.old) for hunk in changed):
                return True
    return False


def _calls_follow(rows: _Rows, path: str, place: Definition) -> bool:
    """Whether the commit changes what is given in a call of the function."""
    for each, changed in rows.items():
        for hunk in changed:
            own = each == path and hunk.old_start < place.stop and place.start < hunk.old_start + len(hunk.old)
            if not own and regiven(each, hunk.old, hunk.new, place.name):
                return True
    return False


def _pure(rows: _Rows, before: _Texts, after: _Texts, old_name: str, new_name: str) -> bool:
    """Whether each use that a hunk takes away comes back there: what was deleted or rewritten follows from something
    else than the name's definition."""
    for path, changed in rows.items():
        old, new = heads.uses(path, before[path], old_name), heads.uses(path, after[path], new_name)
        for hunk in changed:
            gone = sum(hunk.old_start <= at < hunk.old_start + len(hunk.old) for at in old)
            come = sum(hunk.new_start <= at < hunk.new_start + len(hunk.new) for at in new)
            if gone > come:
                return False
    return True


def _kept(rows: _Rows, after: _Texts, name: str) -> bool:
    """Whether a name is defined still, or again, in one of the files: beside the new one, so that old users go on."""
    alias = re.compile(rf"(?:^|\n)\s*(?:export\s+)?(?:const |let |var |type )?{re.escape(name)}\s*(?::[^=\n]+)?=(?!=)")
    again = re.compile(rf"\bas {re.escape(name)}\b")
    for path in rows:
        if alias.search(after[path]) or again.search(after[path]):
            return True
        if any(row.own_name == name for row in heads.definitions(path, after[path])):
            return True
    return False


def _defines(path: str, changed: Sequence[Hunk]) -> bool:
    """Whether a changed line may be part of a definition's head: a cheap look before the texts are read."""
    return any(heads.defines(path, (*hunk.old, *hunk.new)) for hunk in changed)


def _texts(history: History, files: Sequence[Change]) -> tuple[dict[str, str], dict[str, str]] | None:
    """All texts before and after, by path; None where one cannot be read or is no text that a person wrote."""
    ids = [side for change in files for side in (change.old_id, change.new_id)]
    texts = []
    for data in history.blobs(ids):
        if data is None or len(data) > _MOST_BYTES or b"\r" in data:
            return None
        try:
            texts.append(data.decode())
        except UnicodeDecodeError:
            return None
    paths = [change.path for change in files]
    return dict(zip(paths, texts[::2], strict=True)), dict(zip(paths, texts[1::2], strict=True))


def _edited(path: str, before: str, after: str) -> EditedFile:
    return EditedFile(path, heads.language(path), before, after)


def _key(change: Change) -> tuple[str, str]:
    return change.old_id, change.new_id

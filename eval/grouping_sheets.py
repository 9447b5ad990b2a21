"""Sheets on which people say which hunks of a commit belong together, and the labels they write.

Commits are drawn by the digest of their name and a seed, so that the same repositories and seed give the same sheets
and nobody picked them. A label names hunks by their lines alone: no code of the repositories is in it. Knows git, by
one process a question since there are a hundred commits, and not how hunks are grouped by `mining/relate.py`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretype.context import languages, symbols
from foretype.context.text import content, split_lines
from foretype.mining.commit import FileTexts, Hunk

SCHEMA = 1
FEWEST, MOST = 3, 12  # hunks in a commit: of two there is little to tell apart
_MOST_CHANGED = 250  # lines in a commit, so that a person can take it in
_MOST_BYTES = 300_000  # in a file
_AROUND = 3  # unchanged lines shown around a hunk
_SHOWN = 40  # lines of a hunk's old or new text
_TIMEOUT_S = 120.0
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_ANSWER = re.compile(r"^\s*(\d+):((?:[ \t]+\d+(?:,\d+)*)+)[ \t]*$", re.MULTILINE)
# Not what a developer writes by hand, or not one change.
_SKIPPED_PATH = re.compile(r"(?:^|/)(?:dist|vendor|third_party|node_modules)/|\.min\.|_pb2\.|\.pb\.go$")
_SKIPPED_SUBJECT = re.compile(r"(?i)merge\b|revert\b|bump\b|release\b|version\b|v?\d+\.\d+|.*\[bot\]|chore\(")


class LabelError(Exception):
    """Sheets or labels cannot be made or read. The message tells a user what to do."""


@dataclass(frozen=True)
class Place:
    """A hunk by its lines: where it begins (0-based) and how many lines it has, before and after."""

    path: str
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int


@dataclass(frozen=True)
class Label:
    """How one person grouped one commit: `groups` partition the indices of `hunks`."""

    repository: str
    commit: str
    hunks: tuple[Place, ...]
    groups: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Sample:
    """A commit to label. `repository` is "owner/name"."""

    repository: str
    commit: str
    message: str
    files: tuple[FileTexts, ...]

    @property
    def hunks(self) -> list[tuple[FileTexts, Hunk]]:
        """In the order of the sheet: file by file, top to bottom."""
        return [(file, hunk) for file in self.files for hunk in file.hunks]


def draw(repositories: Sequence[tuple[str, Path]], count: int, seed: int) -> list[Sample]:
    """`count` commits of "owner/name", git directory pairs, as many of each as there are, in turns.

    Raises `LabelError` where git cannot read one, or they have too few commits.
    """
    sources = [_candidates(name, folder, seed) for name, folder in repositories]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*sources))
    drawn = list(itertools.islice((sample for sample in turns if sample is not None), count))
    if len(drawn) < count:
        raise LabelError(f"only {len(drawn)} commits with {FEWEST} to {MOST} hunks of code; name more repositories")
    return drawn


def read(repository: str, folder: Path, commit: str, places: Sequence[Place] = ()) -> Sample:
    """One commit with its texts of known languages; the hunks are git's, or at `places` where given.

    Raises `LabelError`.
    """
    message = _git(folder, "log", "-1", "--no-mailmap", "--format=%B", commit).strip()
    changes = _git(folder, "diff-tree", "--root", "-r", "-M", "-z", "--no-commit-id", commit).split("\0")
    files = []
    fields = iter(changes[:-1])
    for change in fields:
        old_mode, mode, old_blob, blob, status = change.removeprefix(":").split(" ")
        old_path = path = next(fields)
        if status[0] in "RC":
            path = next(fields)
        language = languages.find("", path)
        known = language is not None and language.grammar and not _SKIPPED_PATH.search(path)
        if language is None or not known or not {old_mode, mode} <= {"000000", "100644", "100755"}:
            continue
        before, after = (_blob(folder, digest) for digest in (old_blob, blob))
        if places:
            found = [place for place in places if place.path == path]
        else:
            found = _places(folder, path, old_blob, blob, before, after)
        if found:
            old, new = _lines(before), _lines(after)
            hunks = tuple(_hunk(place, old, new) for place in found)
            files.append(FileTexts(path, old_path, language, before, after, hunks))
    return Sample(repository, commit, message, tuple(files))


def sheet(sample: Sample, number: int) -> str:
    """What a person reads: the message and each hunk, numbered from 1, with the definition that it is in."""
    parts = [f"## {number:03d} {sample.repository} {sample.commit}\n"]
    parts += [f"message| {line}\n" for line in sample.message.splitlines()[:12]]
    for index, (file, hunk) in enumerate(sample.hunks, 1):
        parts.append(f"\n### hunk {index}: {file.path}:{hunk.new_start + 1}{_inside(file, hunk)}\n```\n")
        before = _lines(file.before)
        end = hunk.old_start + len(hunk.old)
        parts += [f"  {line}\n" for line in before[max(0, hunk.old_start - _AROUND) : hunk.old_start]]
        parts += _shortened("- ", hunk.old) + _shortened("+ ", hunk.new)
        parts += [f"  {line}\n" for line in before[end : end + _AROUND]]
        parts.append("```\n")
    return "".join(parts)


def blank(sample: Sample) -> dict[str, Any]:
    """A label without groups, as JSON holds it."""
    places = [_place(file.path, hunk) for file, hunk in sample.hunks]
    rows = [list(vars(place).values()) for place in places]
    return {"repository": sample.repository, "commit": sample.commit, "hunks": rows, "groups": []}


def answered(blanks: Sequence[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The blank labels filled with groups from lines like `012: 1,3 2`: the number of the commit, then its groups of
    hunks, counted from 1. Raises `LabelError` naming the first commit whose line is missing or not whole."""
    found = {int(match[1]): match[2].split() for match in _ANSWER.finditer(text)}
    rows = []
    for number, row in enumerate(blanks, 1):
        if number not in found:
            raise LabelError(f"no answer for commit {number:03d}")
        groups = [sorted(int(word) - 1 for word in group.split(",")) for group in found[number]]
        if sorted(itertools.chain.from_iterable(groups)) != list(range(len(row["hunks"]))):
            raise LabelError(f"commit {number:03d} has hunks 1 to {len(row['hunks'])}: name each exactly once")
        rows.append({**row, "groups": sorted(groups)})
    return rows


def load(path: Path) -> list[Label]:
    """The labels of a file. Raises `LabelError` naming the first one that is not whole."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["schema"] != SCHEMA:
            raise LabelError(f"{path}: schema {data['schema']}, this version reads {SCHEMA}")
        labels = [
            Label(
                row["repository"],
                row["commit"],
                tuple(Place(*place) for place in row["hunks"]),
                tuple(tuple(group) for group in row["groups"]),
            )
            for row in data["commits"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabelError(f"{path} cannot be read as labels: {error}") from error
    for label in labels:
        if sorted(itertools.chain.from_iterable(label.groups)) != list(range(len(label.hunks))):
            raise LabelError(f"{path}: the groups of {label.commit} do not hold each hunk exactly once")
    return labels


def _candidates(name: str, folder: Path, seed: int) -> Iterator[Sample]:
    commits = _git(folder, "rev-list", "--no-merges", "HEAD").split()
    for commit in sorted(commits, key=lambda digest: hashlib.sha256(f"{seed} {digest}".encode()).digest()):
        subject = _git(folder, "log", "-1", "--format=%s%an", commit)
        if _SKIPPED_SUBJECT.match(subject):
            continue
        sample = read(name, folder, commit)
        hunks = [hunk for _, hunk in sample.hunks]
        changed = sum(len(hunk.old) + len(hunk.new) for hunk in hunks)
        if FEWEST <= len(hunks) <= MOST and changed <= _MOST_CHANGED:
            yield sample


def _places(folder: Path, path: str, old_blob: str, blob: str, before: str, after: str) -> list[Place]:
    if not before or not after:
        return [Place(path, 0, len(_lines(before)) if before else 0, 0, len(_lines(after)) if after else 0)]
    if max(len(before), len(after)) > _MOST_BYTES:
        return []
    diff = _git(folder, "diff", "-U0", "--no-ext-diff", "--no-textconv", "--diff-algorithm=myers", old_blob, blob)
    places = []
    for match in _HUNK.finditer(diff):
        old, old_lines, new, new_lines = (int(number) if number else 1 for number in match.groups())
        # a side without lines is named by the line before it
        places.append(Place(path, old - (old_lines > 0), old_lines, new - (new_lines > 0), new_lines))
    return places


def _hunk(place: Place, old: Sequence[str], new: Sequence[str]) -> Hunk:
    removed = tuple(old[place.old_start : place.old_start + place.old_lines])
    return Hunk(
        place.old_start, removed, place.new_start, tuple(new[place.new_start : place.new_start + place.new_lines])
    )


def _place(path: str, hunk: Hunk) -> Place:
    return Place(path, hunk.old_start, len(hunk.old), hunk.new_start, len(hunk.new))


def _inside(file: FileTexts, hunk: Hunk) -> str:
    text, line = (file.after, hunk.new_start) if hunk.new else (file.before, hunk.old_start)
    found = symbols.extract(file.path, text.encode(), file.language).definitions
    around = [item for item in found if item.line <= line <= item.end_line]
    if not around:
        return ""
    last = min(around, key=lambda item: item.end - item.start)
    return f" (in {last.container + '.' if last.container else ''}{last.name})"


def _shortened(mark: str, lines: Sequence[str]) -> list[str]:
    rows = [f"{mark}{line[:200]}\n" for line in lines]
    if len(rows) <= _SHOWN:
        return rows
    left = _SHOWN // 2
    return [*rows[:left], f"... {len(rows) - 2 * left} more lines\n", *rows[-left:]]


def _lines(text: str) -> list[str]:
    return [content(line) for line in split_lines(text)]


def _blob(folder: Path, digest: str) -> str:
    return "" if set(digest) == {"0"} else _git(folder, "cat-file", "blob", digest)


def _git(folder: Path, *words: str) -> str:
    command = ["git", "--no-replace-objects", "--git-dir", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL, check=True)
    except FileNotFoundError:
        raise LabelError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit status {error.returncode}"
        raise LabelError(f"git cannot read {folder}: {said}") from error
    except subprocess.TimeoutExpired:
        raise LabelError(f"git does not answer for {folder}") from None
    return done.stdout.decode("utf-8", "replace")

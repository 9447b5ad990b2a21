"""The second pass over kept rows: what serving would have shown of other files, put into some rows of each repository.

The commits of the rows that are drawn are walked oldest first, the files kept as each found them; a row gets what
`context.gather` or `context.related` finds at the moment right before its answer was typed. Tokens are counted by
characters, as the server does, so that no tokenizer is needed. Rows whose moment cannot be told stay as they are, and
so do those that would show a secret.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from foretype.context import languages, related, rows
from foretype.context.gather import Budget, gather
from foretype.context.rows import EditRow, Excerpt, FimRow, Row
from foretype.mining import leaks, moments, order, parts
from foretype.mining.blobs import Blobs
from foretype.mining.commit import FileTexts
from foretype.mining.config import Config
from foretype.mining.git import GitError, History
from foretype.mining.parts import Part
from foretype.mining.sources import Source
from foretype.mining.survivors import pathspecs
from foretype.mining.touched import touched
from foretype.mining.tree_workspace import TreeWorkspace

# As the server's defaults (`[context] tokens`, `[completion] prefix_tokens, suffix_tokens`).
BUDGET = Budget(tokens=192, prefix_tokens=256, suffix_tokens=64)
_CHARACTERS_PER_TOKEN, _HEADER_TOKENS = 3.5, 8  # as the server counts them
_COMPLETIONS, _EDITS = 5, 2  # rows of one commit
_EDIT = 4  # behind the ranks of completions


@dataclass(frozen=True)
class ContextJob:
    """What one worker is to do: make a part of those rows of `part` whose ids are `ids`, with their context."""

    source: Source
    part: Part
    ids: tuple[str, ...]
    config: Config
    folder: str


def tokens_of(text: str) -> int:
    """A guess at a snippet's tokens, its header included."""
    return round(len(text) / _CHARACTERS_PER_TOKEN) + _HEADER_TOKENS


def job(source: Source, part: Part, kept: np.ndarray, config: Config, folder: Path) -> ContextJob:
    """The job of drawing `config.context_rows` of the part's kept rows. Raises `OSError`, `zstandard.ZstdError`."""
    lines = zip(parts.lines(part, folder), kept.tolist(), strict=True)
    ids = drawn((json.loads(line) for line, keep in lines if keep), config)
    return ContextJob(source, part, ids, config, str(folder))


def drawn(found: Iterable[Mapping[str, Any]], config: Config) -> tuple[str, ...]:
    """The ids of the rows, given as what their JSON says, that get context.

    From the newer half of the commits, as their code is nearer to today's; some rows of each commit that the seed
    draws, completions within indented lines and of whole ones before others, since in them other files matter.
    """
    commits: dict[str, list[tuple[int, float, str]]] = {}
    times: dict[str, int] = {}
    for row in found:
        commit, name = row["origin"]["commit"], row["id"]
        times[commit] = row["origin"]["time"]
        commits.setdefault(commit, []).append((_rank(row), config.draw("context row", name), name))
    newer = sorted(times.values())[len(times) // 2] if times else 0
    ids: list[str] = []
    for commit in sorted(commits, key=lambda commit: config.draw("context commit", commit)):
        if times[commit] >= newer and len(ids) < config.context_rows:
            ranked = sorted(commits[commit])
            completions, edits = (
                [name for rank, _, name in ranked if (rank == _EDIT) == edit] for edit in (False, True)
            )
            ids += completions[:_COMPLETIONS] + edits[:_EDITS]
    return tuple(ids[: config.context_rows])


def _rank(row: Mapping[str, Any]) -> int:
    """How soon a row is drawn; `_EDIT` for all edits."""
    if row["kind"] == "edit":
        return _EDIT
    indented = (row["prefix"].rpartition("\n")[2] + row["middle"])[:1].isspace()
    return (row["mode"] == "span") + 2 * (not indented)


def mine(given: ContextJob) -> Part:
    """The part with context, as it was left or made now; what goes wrong is its problem."""
    folder = Path(given.folder)
    stem = _stem(given)
    try:
        said = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        left = Part(**{**said, "licences": tuple(said["licences"]), "again": True})
        if (folder / f"{stem}.jsonl.zst").exists():
            return left
    except (OSError, ValueError, TypeError, KeyError):
        pass
    try:
        return _make(given, stem, folder)
    except GitError as error:
        return replace(given.part, stem="", rows=0, problem=str(error))
    except OSError as error:
        return replace(given.part, stem="", rows=0, problem=f"{error.filename or folder}: {error.strerror or error}")


def _make(given: ContextJob, stem: str, folder: Path) -> Part:
    began, used, count = time.monotonic(), parts.cpu_s(), 0
    wanted = set(given.ids)
    found = [rows.from_json(line) for line in parts.lines(given.part, folder) if _id(line) in wanted]
    written = [folder / f"{stem}{extension}.{os.getpid()}.tmp" for extension in (".jsonl.zst", ".json")]
    try:
        with ExitStack() as files:
            history = files.enter_context(History(given.source.path, given.source.name, pathspecs(given.config)))
            packed = files.enter_context(open(written[0], "wb"))
            text = files.enter_context(zstandard.ZstdCompressor(parts.LEVEL).stream_writer(packed, closefd=False))
            for row in with_context(history, found, given.config):
                text.write(rows.to_json(row).encode() + b"\n")
                count += 1
        cpu_s, seconds = round(parts.cpu_s() - used, 3), round(time.monotonic() - began, 3)
        part = replace(given.part, stem=stem, rows=count, again=False, cpu_s=cpu_s, seconds=seconds)
        written[1].write_text(json.dumps(asdict(part)), encoding="utf-8")
        for file, extension in zip(written, (".jsonl.zst", ".json"), strict=True):
            os.replace(file, folder / f"{stem}{extension}")
    finally:
        for file in written:
            file.unlink(missing_ok=True)
    return part


def with_context(history: History, found: Sequence[Row], config: Config) -> Iterator[Row]:
    """The rows, oldest commit first, with what other files held; those for which that cannot be told are left out."""
    commits: dict[str, list[Row]] = {}
    for row in found:
        commits.setdefault(row.origin.commit, []).append(row)
    parents = {
        one.sha: one.parents[0] for one in history.commits(config.first_parent) if one.sha in commits and one.parents
    }
    blobs = Blobs(history)
    with closing(TreeWorkspace(history)) as workspace:
        for commit in reversed(parents):  # they came newest first
            workspace.go_to(parents[commit])
            files = files_of(history, blobs, commit)
            story = order.steps(touched(files))
            for row in commits[commit]:
                if (done := _with_context(workspace, row, files, story)) is not None:
                    yield done


def _with_context(
    workspace: TreeWorkspace, row: Row, files: Sequence[FileTexts], story: Sequence[order.Step]
) -> Row | None:
    moment = moments.of_edit(row, files) if isinstance(row, EditRow) else moments.of_completion(row, files, story)
    if moment is None:
        return None
    workspace.show(moment.documents, moment.history, moment.gone)
    line, column = moment.start
    if isinstance(row, FimRow):
        snippets = gather(workspace, moment.document, line, column, BUDGET, tokens_of)
        shown = tuple(Excerpt(snippet.path, snippet.text) for snippet in snippets)
    else:
        window = moment.document, line, moment.stop
        shown = related.related(workspace.graph, window, moment.edited, tokens_of)
    if leaks.kind([line for one in shown for line in (one.path, *one.text.split("\n"))]):
        return None
    origin = replace(row.origin, why=(*row.origin.why, f"context: {len(shown)}"))
    if isinstance(row, FimRow):
        return replace(row, files=shown, origin=origin)
    return replace(row, related=shown, origin=origin)


def files_of(history: History, blobs: Blobs, commit: str) -> list[FileTexts]:
    """The source files of a commit that have text before and after it, in the order of their names."""
    ((_, changes),) = history.changes([commit])
    ((_, patch),) = history.patches([commit])
    files = []
    for change in sorted(changes or (), key=lambda change: change.path):
        language = languages.find("", change.path)
        if language is None or not language.grammar or not change.new_mode.startswith("100"):
            continue
        read = blobs.read((change.old_id, change.new_id))
        before, after = read[change.old_id], read[change.new_id]
        if before is None or after is None or before.refusal or after.refusal:
            continue
        diff = (patch or {}).get((change.old_id, change.new_id))
        hunks = diff.hunks if diff else ()
        files.append(FileTexts(change.path, change.old_path, language, before.text, after.text, hunks))
    return files


def _id(line: bytes) -> str:
    found = re.search(rb'"id":"([0-9a-f]{16})"', line)  # the third field: what text there is comes later
    return found[1].decode() if found else ""


def _stem(given: ContextJob) -> str:
    digest = hashlib.sha256("\0".join((given.part.stem, *sorted(given.ids))).encode()).hexdigest()
    return f"{given.part.stem.rpartition('-')[0]}.context-{digest[:16]}"

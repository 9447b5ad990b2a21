"""`foretype eval edits --commits`: the rules at commits of real histories, beside what the commits did.

Each commit renames a symbol or changes a function's parameters, and little else (`commits.py`). In its
parent's tree the defining edit alone is made, and the rules are asked what follows. A task is answered if anything is
proposed, and exact if each proposed edit is what the commit did at that place, and none is at a place that the commit
left alone. What the commit changed and the rules did not propose is counted as places not found, not as a mistake.

Places are compared by tokens, so that a commit may break and sort its lines as it likes, and change more in them.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from foretype.context import propagate
from foretype.context.hunks import TOKEN, Hunk
from foretype.context.next_edit import NextEdit
from foretype.context.workspace import Workspace
from foretype.eval import stats
from foretype.eval.next_edits import commits as carried_commits
from foretype.eval.next_edits import heads
from foretype.eval.next_edits import metrics as edit_metrics
from foretype.eval.next_edits.commits import Task
from foretype.eval.provenance import revision
from foretype.eval.typing.checkout import Checkout
from foretype.eval.typing.traces import HistoryError
from foretype.mining.git import GitError, History
from foretype.mining.sources import Source, SourceError, sources

_NOTES = 8
_SORTED_LINES = 20  # a list of imports may be sorted anew within so many


@dataclass(frozen=True)
class Row:
    """One commit's outcome. `due` are the places at which the commit changed code that has the name, `found` those that
    something was proposed at; `right` of the `proposed` places are what the commit did."""

    repository: str
    commit: str
    subject: str
    kind: str
    language: str
    name: str
    answered: bool
    exact: bool
    due: int
    found: int
    proposed: int
    right: int
    latency_ms: float
    notes: tuple[str, ...]


def run(args: argparse.Namespace) -> int:
    """Runs the check on `args.commits`; the exit status."""
    rows: list[Row] = []
    try:
        repositories = sources(args.commits)
        with args.out.open("w", encoding="utf-8", newline="\n") if args.out else nullcontext() as out:
            for source in repositories:
                for row in _of_repository(source, -(-args.limit // len(repositories)), args.seed):
                    rows.append(row)
                    if out:
                        out.write(json.dumps(asdict(row)) + "\n")
                        out.flush()
    except (GitError, HistoryError, SourceError, OSError) as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted", 1)
    if not rows:
        return _complain("no commit of these histories renames a symbol or changes parameters, and little else", 2)
    found = figures(rows) | {"seed": args.seed, "lane": "rule", "revision": revision()}
    sys.stdout.write(json.dumps(found) + "\n" if args.json else table(found))
    if args.verbose and not args.json:
        sys.stdout.write("\n" + "".join(_complaint(row) for row in rows if not row.exact))
    return 0


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of at least one row, in all, by kind and by language."""
    return _figures(rows) | {
        "kinds": {name: _figures([row for row in rows if row.kind == name]) for name in _names(rows, "kind")},
        "languages": {
            name: _figures([row for row in rows if row.language == name]) for name in _names(rows, "language")
        },
        "repositories": _names(rows, "repository"),
    }


def table(found: Mapping[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"Rules at {found['tasks']} commits of {len(found['repositories'])} repositories",
        "",
        f"{'':<14}{'tasks':>6}  {'answered':<24}{'exact of answered':<24}{'places found':>12}",
    ]
    for name, row in {"all": found, **found["kinds"], **found["languages"]}.items():
        answered, exact = (_rate(row, key) for key in ("answered", "exact_of_answered"))
        recall = "-" if row["place_recall"] is None else f"{row['place_recall']:.3f}"
        lines.append(f"{name:<14}{row['tasks']:>6}  {answered:<24}{exact:<24}{recall:>12}")
    lines += ["", "{latency_ms_p50:.0f} ms median, {latency_ms_p95:.0f} ms 95th percentile".format(**found)]
    return "\n".join(lines) + "\n"


def answer(task: Task, workspace: Workspace) -> Row:
    """What the rules propose at a task, in a workspace whose files are the parent's but for the defining edit."""
    started = time.perf_counter()
    carried = propagate.carry(workspace, [task.edited])
    latency_ms = 1000 * (time.perf_counter() - started)
    base = dict(task.base)
    for edit in carried.edits:
        if edit.path not in base:
            base[edit.path] = "".join(workspace.read(edit.path) or ())
    after = {path: task.after.get(path, text) for path, text in base.items()}
    return judged(task, base, after, carried.edits, latency_ms)


def judged(
    task: Task, base: Mapping[str, str], after: Mapping[str, str], edits: Sequence[NextEdit], latency_ms: float
) -> Row:
    """The row of proposed edits: `base` are the texts that they are for, `after` what the commit made of these."""
    proposed_texts, clashes = edit_metrics.applied(base, edits)
    proposed = edit_metrics.changes(base, proposed_texts)
    did = edit_metrics.changes(base, after)
    due = [hunk for hunk in did if _about(task, base, hunk)]
    right = [hunk for hunk in proposed if _is_done(hunk, proposed, did, base)]
    found = [hunk for hunk in due if any(edit_metrics.meet(hunk, other) for other in proposed)]
    return Row(
        *(task.repository, task.commit, task.subject, task.kind, task.edited.language, task.name),
        answered=bool(proposed),
        exact=bool(proposed) and len(right) == len(proposed) and not clashes,
        due=len(due),
        found=len(found),
        proposed=len(proposed),
        right=len(right),
        latency_ms=latency_ms,
        notes=tuple(_notes(proposed, right, did, due, found)),
    )


def _of_repository(source: Source, limit: int, seed: int) -> Iterator[Row]:
    """The rows of one history, at most `limit` of them if that is not 0."""
    with History(source.path, source.name) as history:
        tasks = list(carried_commits.tasks(history))
    if 0 < limit < len(tasks):
        chosen = set(random.Random(seed).sample(range(len(tasks)), limit))
        tasks = [task for at, task in enumerate(tasks) if at in chosen]
    with tempfile.TemporaryDirectory(prefix="foretype-carried-") as scratch:
        root = Path(scratch).resolve() / "tree"
        checkout = Checkout(Path(source.path), root, Path(scratch) / "index")
        workspace: Workspace | None = None
        try:
            for task in tqdm(tasks, desc=source.name, unit="commit", file=sys.stderr, disable=None):
                try:
                    checkout.to(task.parent)
                except HistoryError as error:
                    _complain(f"{task.commit[:12]} is left out: {error}", 1)
                    continue
                if workspace is None:
                    workspace = Workspace.open(root, None)
                edited = root / task.edited.path
                edited.write_text(task.edited.after, encoding="utf-8", newline="\n")
                workspace.refresh(children=0)
                yield answer(task, workspace)
                edited.write_text(task.edited.before, encoding="utf-8", newline="\n")
        finally:
            checkout.close()
            if workspace is not None:
                workspace.close()


def _about(task: Task, base: Mapping[str, str], hunk: Hunk) -> bool:
    """Whether a hunk changes code that has the name, or what is given in a call of it."""
    if task.kind == "signature":
        return carried_commits.regiven(hunk.path, hunk.old, hunk.new, task.name)
    lines = heads.uses(hunk.path, base[hunk.path], task.name)
    return any(hunk.start_before <= at < hunk.start_before + len(hunk.old) for at in lines)


def _is_done(hunk: Hunk, proposed: Sequence[Hunk], did: Sequence[Hunk], base: Mapping[str, str]) -> bool:
    """Whether the commit did what is proposed at a place: each change of tokens there is one of the commit's."""
    there = [other for other in did if edit_metrics.meet(hunk, other)]
    if not there:
        return False
    start = min(row.start_before for row in (hunk, *there))
    stop = max(row.start_before + len(row.old) for row in (hunk, *there))
    lines = base[hunk.path].split("\n")
    inside = [row for row in proposed if row.path == hunk.path and start <= row.start_before < max(stop, start + 1)]
    window = lines[start:stop]
    was = _tokens(window)
    ours, theirs = (_tokens(_put(window, start, rows)) for rows in (inside, there))
    return ours == theirs or _edits(was, ours) <= _edits(was, theirs) or _is_sorted_anew(hunk, did)


def _is_sorted_anew(hunk: Hunk, did: Sequence[Hunk]) -> bool:
    """Whether the commit took these lines away and brought those that are proposed a few lines from there."""
    near = [row for row in did if row.path == hunk.path and abs(row.start_before - hunk.start_before) <= _SORTED_LINES]
    gone = edit_metrics.said(line for row in near for line in row.old)
    come = edit_metrics.said(line for row in near for line in row.new)
    return edit_metrics.said(hunk.old) <= gone and edit_metrics.said(hunk.new) <= come


def _put(window: Sequence[str], first: int, rows: Sequence[Hunk]) -> list[str]:
    """The lines of a window from line `first` on, with hunks put in."""
    lines = list(window)
    for row in sorted(rows, key=lambda row: -row.start_before):
        lines[row.start_before - first : row.start_before - first + len(row.old)] = row.new
    return lines


def _edits(old: Sequence[str], new: Sequence[str]) -> set[tuple[int, int, tuple[str, ...]]]:
    """What becomes of which tokens; of a run in which each becomes one other, the tokens one by one."""
    found = set[tuple[int, int, tuple[str, ...]]]()
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and a2 - a1 == b2 - b1:
            found |= {(a1 + at, a1 + at + 1, (new[b1 + at],)) for at in range(a2 - a1)}
        elif tag != "equal":
            found.add((a1, a2, tuple(new[b1:b2])))
    return found


def _tokens(lines: Iterable[str]) -> list[str]:
    return TOKEN.findall("\n".join(lines))


def _notes(
    proposed: Sequence[Hunk], right: Sequence[Hunk], did: Sequence[Hunk], due: Sequence[Hunk], found: Sequence[Hunk]
) -> Iterator[str]:
    """What is wrong, and what is missing."""
    for hunk in [hunk for hunk in proposed if hunk not in right][:_NOTES]:
        there = [other for other in did if edit_metrics.meet(hunk, other)]
        theirs = _shown(there[0].new) if there else "left alone"
        yield f"wrong {_place(hunk)} [{_shown(hunk.old)}] -> [{_shown(hunk.new)}], the commit: [{theirs}]"
    for hunk in [hunk for hunk in due if hunk not in found][:_NOTES]:
        yield f"missing {_place(hunk)} [{_shown(hunk.old)}] -> [{_shown(hunk.new)}]"


def _place(hunk: Hunk) -> str:
    return f"{hunk.path}:{hunk.start_before + 1}"


def _shown(lines: Sequence[str]) -> str:
    return " | ".join(line.strip() for line in lines)[:160]


def _complaint(row: Row) -> str:
    state = "inexact" if row.answered else "no answer"
    head = f"{state}: {row.repository} {row.commit[:12]} {row.kind} of {row.name} ({row.language}): {row.subject[:80]}"
    return "\n    ".join((head, *row.notes)) + "\n"


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    answered = [row for row in rows if row.answered]
    exact = sum(row.exact for row in answered)
    due, proposed = sum(row.due for row in rows), sum(row.proposed for row in rows)
    return {
        "tasks": len(rows),
        "answered": len(answered) / len(rows),
        "answered_ci": list(stats.wilson(len(answered), len(rows))),
        "exact_of_answered": exact / len(answered) if answered else None,
        "exact_of_answered_ci": list(stats.wilson(exact, len(answered))),
        "place_recall": sum(row.found for row in rows) / due if due else None,
        "place_precision": sum(row.right for row in rows) / proposed if proposed else None,
        "latency_ms_p50": stats.percentile([row.latency_ms for row in rows], 50),
        "latency_ms_p95": stats.percentile([row.latency_ms for row in rows], 95),
    }


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return sorted({str(getattr(row, key)) for row in rows})


def _rate(row: Mapping[str, Any], key: str) -> str:
    return "-" if row[key] is None else "{:.3f}  [{:.3f}, {:.3f}]".format(row[key], *row[f"{key}_ci"])


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval edits: {message}\n")
    return status

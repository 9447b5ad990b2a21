"""`foretype eval edits`: how good proposed next edits are, on cases with files, mined rows, or real commits.

`--cases` asks at each acceptance case (`eval/cases/edits/README.md`) in a workspace of its own, `--archives` at
scenarios of other projects (`eval/next_edits/archives.py`), `--pairs` asks the model alone at mined rows
(`eval/next_edits/rows.py`), and `--commits` asks the rules alone at commits that rename or re-sign a symbol
(`eval/next_edits/carried.py`). What is proposed is judged by `eval/next_edits/metrics.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from foretype.context.hunks import hunks
from foretype.context.machine import peak_mib
from foretype.context.next_edit import Lane, NextEdit
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace
from foretype.eval import engines
from foretype.eval.answers import clock_ms, kept
from foretype.eval.next_edits import archives as edit_archives
from foretype.eval.next_edits import carried
from foretype.eval.next_edits import cases as edit_cases
from foretype.eval.next_edits import metrics as edit_metrics
from foretype.eval.next_edits import report as edit_report
from foretype.eval.next_edits import rows as edit_rows
from foretype.eval.next_edits.cases import EditCase
from foretype.eval.next_edits.report import Row
from foretype.eval.provenance import revision
from foretype.model.backend import Backend, BackendError, Cancel
from foretype.model.next_edits import Found, Options, next_edits

LANES: dict[str, tuple[Lane, ...]] = {"rule": ("rule",), "model": ("model",), "both": ("rule", "model")}
_NOTES = 12  # of a case that went wrong

_T = TypeVar("_T")


class DataError(Exception):
    """The tasks cannot be used. The message tells a user what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cases", type=Path, metavar="DIR", help="acceptance cases, as in eval/cases/edits")
    what.add_argument("--archives", type=Path, metavar="DIR", help="scenarios as text archives")
    what.add_argument("--pairs", type=Path, metavar="DIR", help="what foretype mine wrote; the model alone is asked")
    what.add_argument(
        "--commits", nargs="+", metavar="REPO", help="histories, [NAME=]FOLDER; the rules alone are asked"
    )
    parser.add_argument("--lane", choices=LANES, default="both", help="who is asked (default: %(default)s)")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="the cases of this kind, or with this in their names"
    )
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="tasks, 0 for all (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=7, metavar="N", help="of the choice of tasks (default: %(default)s)"
    )
    parser.add_argument("--split", choices=("validation", "test"), default="test", help="of --pairs")
    own = Options()
    parser.add_argument("--threshold", type=float, default=own.threshold, metavar="P", help="confidence at least")
    parser.add_argument(
        "--places", choices=("due", "likely"), default="due", help="the model is asked about, as by edits.model (due)"
    )
    parser.add_argument("--max-places", type=int, default=own.max_places, metavar="N", help="so many at most")
    engines.add_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write one JSON object a task to this file")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="keep answers there, and ask for none of them again"
    )
    parser.add_argument("--verbose", action="store_true", help="list what went wrong, the worst first")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, open_backend: Callable[[argparse.Namespace], Backend] = engines.open_backend) -> int:
    """Runs the benchmark; the exit status. `open_backend` stands in for the engine that `args` names."""
    if args.limit < 0 or args.max_places < 0 or not 0 <= args.threshold <= 1:
        return _complain("--limit and --max-places must not be negative, --threshold lies in 0..1", 2)
    if args.commits:
        return carried.run(args)
    backend = None
    try:
        ask = _asked_of_rows if args.pairs else _asked_of_cases
        tasks = _tasks(args)
        if args.pairs or args.lane != "rule":
            backend = kept(open_backend(args), args.answers)
        rows = ask(args, tasks, backend)
        if args.out:
            _write(args.out, rows)
    except (edit_cases.CaseError, DataError, edit_rows.ShardError, engines.UsageError) as error:
        return _complain(str(error), 2)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}", 1)
    except (BackendError, KeyboardInterrupt) as error:
        return _complain(str(error) or "interrupted", 1)
    finally:
        if backend is not None:
            backend.close()
    _tell(args, rows, backend)
    return 0


def answer(case: EditCase, backend: Backend | None, options: Options, find: Callable[..., Found] = next_edits) -> Row:
    """What is proposed at a case, in a workspace of its own, whose edited files are open. `find` stands in for the
    search for edits. Raises `BackendError`."""
    with tempfile.TemporaryDirectory(prefix="foretype-edits-") as name:
        folder = Path(name).resolve()
        case.write(folder)
        workspace = Workspace.open(folder, None)
        try:
            for file in case.edited:
                if file.path in case.files:
                    uri = (folder / file.path).as_uri()
                    workspace.opened(Snapshot(uri, file.path, file.language, 1, tuple(split_lines(file.after))))
            workspace.refresh(children=0)
            heard: list[float] = []
            started_ms = clock_ms(backend)
            found = find(
                workspace,
                case.edited,
                cursor=_cursor(case),
                diagnostics=case.diagnostics,
                backend=backend,
                options=options,
                cancel=Cancel(),
                on_edit=lambda edit: heard.append(clock_ms(backend)),
            )
            ended_ms = clock_ms(backend)
        finally:
            workspace.close()
    if found.problem:
        raise BackendError(found.problem)
    verdict = edit_metrics.judge(case.files, case.expected, found.edits, edit_metrics.done_by(case.edited), case.alone)
    return Row(
        *(case.name, case.kind, case.language, case.lane, verdict),
        *((heard[0] if heard else ended_ms) - started_ms, ended_ms - started_ms),
        notes=tuple(_notes(case, found)),
    )


def _asked_of_cases(args: argparse.Namespace, tasks: Sequence[Any], backend: Backend | None) -> list[Row]:
    options = _options(args)
    return [answer(case, backend, options) for case in _progress(tasks)]


def _asked_of_rows(args: argparse.Namespace, tasks: Sequence[Any], backend: Backend | None) -> list[Row]:
    if backend is None:
        raise DataError("--pairs needs a model")
    options = _options(args)
    return [edit_rows.answer(row, backend, options) for row in _progress(tasks)]


def _tasks(args: argparse.Namespace) -> list[Any]:
    """The cases or rows that are asked for. Raises `CaseError`, `ShardError` and `DataError`."""
    tasks: list[Any]
    if args.pairs:
        tasks = edit_rows.read(args.pairs, args.split, args.limit, args.seed)
    else:
        folder = args.cases or args.archives
        cases = edit_cases.read_folder(folder) if args.cases else edit_archives.read_folder(folder)
        by_name = args.only not in {case.kind for case in cases}
        tasks = [case for case in cases if case.kind == args.only or (by_name and args.only in case.name)]
        if 0 < args.limit < len(tasks):
            tasks = random.Random(args.seed).sample(tasks, args.limit)
    if not tasks:
        raise DataError("there are no such tasks")
    return tasks


def _options(args: argparse.Namespace) -> Options:
    """A benchmark waits for each place, however slow the machine is."""
    lanes = LANES[args.lane]
    own = Options(threshold=args.threshold, max_places=args.max_places, lanes=lanes)
    return replace(own, deadline_ms=1e9, due_only=args.places == "due")


def _cursor(case: EditCase) -> tuple[str, int] | None:
    """The line behind the last change of the last edit, where the user is."""
    for step in reversed(case.steps):
        if step.path in case.files and (rows := hunks([step])):
            lines = case.files[step.path].count("\n")
            return step.path, min(lines, max(rows[-1].start, rows[-1].stop - 1))
    return None


def _notes(case: EditCase, found: Found) -> Iterable[str]:
    """What was proposed, and what was kept back."""
    if found.capped:
        yield f"{found.capped} edits too many"
    for edit in found.edits[:_NOTES]:
        yield f"{edit.lane} {edit.reason} {edit.confidence:.2f}: {_shown(case, edit)}"
    for one in found.withheld[:_NOTES]:
        yield f"{one.lane} withheld, {one.reason}: {one.path}:{one.lines[0] + 1}"


def _shown(case: EditCase, edit: NextEdit) -> str:
    """An edit in one line: the line that it begins in, and what becomes of it."""
    span, lines = edit.span, split_lines(case.files.get(edit.path, ""))
    was = lines[span.start_line].strip() if span.start_line < len(lines) else ""
    inside = "".join(lines[span.start_line : span.end_line + 1])
    if span.start_line == span.end_line and span.start_line < len(lines):
        inside = lines[span.start_line][span.start_column : span.end_column]
    return f"{edit.path}:{span.start_line + 1} [{was}] {inside[:60]!r} -> {edit.text[:80]!r}"


def _tell(args: argparse.Namespace, rows: Sequence[Row], backend: Backend | None) -> None:
    found = edit_report.figures(rows)
    kinds = edit_report.by(rows, lambda row: row.kind)
    languages = edit_report.by(rows, lambda row: row.language)
    model = (args.model or backend.name) if backend else None
    said = {
        "lane": "model" if args.pairs else args.lane,
        "seed": args.seed,
        "model": model,
        "model_sha256": getattr(backend, "model_sha256", None),
        "adapter": args.adapter if backend and args.engine == "local" else None,
        "engine": args.engine if backend else None,
        "threshold": args.threshold if backend else None,
        "places": args.places if backend else None,
        "peak_rss_mib": round(peak_mib()),
        "revision": revision(),
    }
    if args.json:
        failed = [row.name for row in rows if not row.fine]
        sys.stdout.write(json.dumps(found | said | {"kinds": kinds, "languages": languages, "failed": failed}) + "\n")
        return
    sys.stdout.write(f"Next edits: {found['tasks']} tasks, an edit is due at {found['due']}; lane {said['lane']}\n")
    if backend:
        sys.stdout.write(f"{model} on {args.engine}, threshold {args.threshold}, places {args.places}\n")
    sys.stdout.write("\n" + edit_report.table(found, {**kinds, **languages}))
    if args.verbose:
        sys.stdout.write("\n" + edit_report.complaints(rows))


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json.dumps(asdict(row)) + "\n" for row in rows)


def _progress(items: Iterable[_T]) -> Iterable[_T]:
    return tqdm(items, desc="asking", unit="task", file=sys.stderr, disable=None)


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval edits: {message}\n")
    return status

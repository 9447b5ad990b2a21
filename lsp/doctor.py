"""The command `foretype doctor`: what is installed, what works, what would be faster, and how to mend what does not.

Exit status 1 if there is a problem. With `--last N`, what became of the last N opportunities instead; with `--sent`,
what left this machine. Knows how findings are told, not how they are found (`checks.py`, `recent.py`, `departed.py`).
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from foretype.lsp import checks
from foretype.lsp.checks import Finding
from foretype.lsp.options import Loaded, load

_MARKS = {"ok": "ok  ", "note": "note", "problem": "FAIL"}
_MOST = 10_000  # opportunities to list: a day of typing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, default=Path("."), help="the workspace (default: this folder)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--last", type=_count, metavar="N", help="the last opportunities, and what became of each")
    instead.add_argument("--sent", action="store_true", help="each request that left for a completion server")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    if args.last:
        return _last(args.last, args.json)
    if args.sent:
        return _sent(args.json)
    if not args.path.is_dir():
        sys.stderr.write(f"foretype: {args.path} is not a folder; give that of a workspace\n")
        return 2
    loaded = load(args.path)
    found = []
    for finding in findings(args.path, loaded):
        found.append(finding)
        if not args.json:
            sys.stdout.write(told(finding))
            sys.stdout.flush()
    problems = sum(finding.state == "problem" for finding in found)
    notes = sum(finding.state == "note" for finding in found)
    if args.json:
        rows = [asdict(finding) for finding in found]
        sys.stdout.write(json.dumps({"problems": problems, "notes": notes, "findings": rows}) + "\n")
    else:
        sys.stdout.write(f"\n{problems or 'no'} problem{'' if problems == 1 else 's'}, {notes} to note\n")
    return 1 if problems else 0


def _last(most: int, as_json: bool) -> int:
    from foretype.lsp import recent
    from foretype.lsp.log import installation
    from foretype.lsp.log.store import StoreError

    if installation.switched_off():
        sys.stderr.write("foretype doctor: the event log is switched off; `foretype telemetry on` switches it on\n")
    try:
        entries = recent.read(installation.database(), most)
    except (StoreError, sqlite3.Error) as error:
        sys.stderr.write(f"foretype doctor: {error}\n")
        return 1
    if as_json:
        sys.stdout.write(json.dumps({"opportunities": [recent.as_json(entry) for entry in entries]}) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in recent.table(entries)))
    return 0


def _sent(as_json: bool) -> int:
    from foretype.lsp import departed
    from foretype.model import sent

    try:
        kept = sent.read(sent.trail())
    except OSError as error:
        sys.stderr.write(f"foretype doctor: {error.filename or sent.trail()}: {error.strerror or error}\n")
        return 1
    if as_json:
        sys.stdout.write(json.dumps(departed.as_json(kept)) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in departed.table(kept))
    return 0


def findings(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Of all checks; one that breaks is a finding itself."""
    for check in checks.CHECKS:
        try:
            yield from check(root, loaded)
        except Exception as error:  # a doctor who dies helps nobody
            what = f"the check broke: {type(error).__name__}: {error}"
            yield Finding(check.__name__, "problem", what, "please report it")


def told(finding: Finding) -> str:
    mend = f"\n{'':20}-> {finding.mend}" if finding.mend and finding.state != "ok" else ""
    return f"{_MARKS[finding.state]}  {finding.about:<12}  {finding.what}{mend}\n"


def _count(text: str) -> int:
    """Raises ValueError, which argparse tells."""
    count = int(text)
    if not 1 <= count <= _MOST:
        raise argparse.ArgumentTypeError(f"{text}: a number from 1 to {_MOST}")
    return count

"""The command `foretype doctor`: what is installed, what works, what would be faster, and how to mend what does not.

Exit status 1 if there is a problem. Knows how findings are told, not how they are found (`checks.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from foretype.lsp import checks
from foretype.lsp.checks import Finding
from foretype.lsp.options import Loaded, load

_MARKS = {"ok": "ok  ", "note": "note", "problem": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, default=Path("."), help="the workspace (default: this folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
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

"""The tables of docs/reliability.md: `python -m foretype.eval.reliability XML ... --into DOCS/reliability.md`.

What was found and mended is written by hand, beside the page in `reliability.toml`, with a row for each thing that was
tried. How many cases there were is taken from what pytest wrote with `--junitxml`: the examples that Hypothesis says
passed (of the tests in the file that the row names), and what a test has recorded as `tried` under the row's name (one,
where it says no number). Counts go to `figures/reliability.json` and stay there until the row is tried again. Of a soak
there is the JSON of `foretype eval soak`. Knows no test.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from foretype.eval.figures import placed, table

_STATISTICS = "hypothesis-statistics-"  # and a test's id: what Hypothesis' plugin calls them in pytest's XML
_PASSED = re.compile(r"(\d+) passing")
_TITLES = ("what", "test", "cases", "found", "mended")


def counts(report: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], list[str]]:
    """By row the cases in one of pytest's XML reports, and the tests in it that failed. What tests have counted goes
    before what Hypothesis says."""
    examples, counted = Counter[str](), Counter[str]()
    failed = []
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        for name, text in _properties(suite):
            path = name.removeprefix(_STATISTICS).partition("::")[0]
            if row := next((row for row in rows if row["test"] == path and name.startswith(_STATISTICS)), None):
                said = base64.b64decode(text).decode("utf-8", "replace")
                examples[row["what"]] += sum(map(int, _PASSED.findall(said)))
        for case in suite.iter("testcase"):
            own = dict(_properties(case))
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(f"{case.get('classname')}::{case.get('name')}")
            elif "row" in own and case.find("skipped") is None:
                counted[own["row"]] += int(own.get("tried", 1))
    return {**examples, **counted}, failed


def tables(sections: Mapping[str, Sequence[Mapping[str, Any]]], figures: Mapping[str, Any]) -> dict[str, str]:
    """By the name of its place the text of each table."""
    return {name: table(_TITLES, [_row(row, figures) for row in rows]) for name, rows in sections.items()}


def _row(row: Mapping[str, Any], figures: Mapping[str, Any]) -> tuple[str, ...]:
    tried = figures.get(row["what"])
    found = f"{row['found']}: {row['faults']}" if row["found"] else "0"
    mended = str(row["mended"]) if row["found"] else ""
    return row["what"], f"`{row['test']}`", f"{tried:,}" if tried else "not counted", found, mended


def soak(said: Mapping[str, Any]) -> str:
    """What `foretype eval soak` found, as a line."""
    return (
        f"{said['keys']:,} keys in {said['seconds'] / 60:.0f} minutes, {said['speed']:g} times as fast as people type, "
        f"with {said['model']}, seed {said['seed']}, at revision `{said['revision']}`: memory "
        f"{said['resident_growth']:+.1%} after the first tenth ({said['resident_mib_early']:,.0f} to "
        f"{said['resident_mib_late']:,.0f} MiB), threads {said['threads_early']} then {said['threads_late']}, "
        f"descriptors {said['descriptors_early']} then {said['descriptors_late']}; {said['shown']} times ghost text, "
        f"{said['stale_answers']} answers for a stale version; {said['changes']:,} changes of documents, "
        f"{said['unaccounted']} of them not accounted for in the event log.\n"
    )


def _properties(element: ElementTree.Element) -> list[tuple[str, str]]:
    holder = element.find("properties")
    return [] if holder is None else [(one.get("name", ""), one.get("value", "")) for one in holder]


def main(words: Sequence[str] | None = None) -> int:
    """0, or 1 where a test of the reports failed."""
    parser = argparse.ArgumentParser(prog="foretype.eval.reliability", description=__doc__)
    parser.add_argument("reports", type=Path, nargs="*", metavar="XML")
    parser.add_argument("--soak", type=Path, metavar="JSON")
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE")
    args = parser.parse_args(words)
    sections = tomllib.loads(args.into.with_suffix(".toml").read_text("utf-8"))
    rows = [row for section in sections.values() for row in section]
    kept = args.into.parent / "figures" / "reliability.json"
    figures = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    failed = []
    for report in args.reports:
        found, failures = counts(report, rows)
        figures |= found
        failed += failures
    unknown = figures.keys() - {row["what"] for row in rows}
    if args.reports:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(dict(sorted(figures.items())), indent=1) + "\n", "utf-8")
    page = args.into.read_text("utf-8")
    for name, text in tables(sections, figures).items():
        page = placed(page, name, text)
    if args.soak and args.soak.exists():
        page = placed(page, "soak", soak(json.loads(args.soak.read_text("utf-8"))))
    args.into.write_text(page, "utf-8")
    sys.stderr.write("".join(f"failed: {test}\n" for test in failed))
    sys.stderr.write("".join(f"{args.into.with_suffix('.toml')} has no row for: {one}\n" for one in sorted(unknown)))
    return 1 if failed or unknown else 0


if __name__ == "__main__":
    sys.exit(main())

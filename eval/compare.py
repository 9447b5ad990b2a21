"""`foretype eval compare A B`: the benchmarks of `foretype eval suite` for two models, the second against the first.

    foretype eval compare mined-v3 train/C --data DIR --benchmarks infill-single-line,crossfile --limit 100

Rows and answers are kept in the cache, or in `--out`, so that a model that was measured is not measured again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foretype.context.machine import cache_dir
from foretype.eval import suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="of the catalogue, an adapter's folder or a built model")
    parser.add_argument("second", metavar="B", help="what is compared with it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep rows, answers and the page there (the cache)")
    suite.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Compares them; the exit status."""
    args.out = args.out or cache_dir() / "eval" / "suite"
    try:
        return suite.conduct(args, [args.first, args.second])
    except KeyboardInterrupt:
        sys.stderr.write("foretype eval compare: interrupted; the same command goes on from here\n")
        return 130

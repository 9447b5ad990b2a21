"""How long work tells how far it is: a function of (what is done, how much of it, how much in all).

Knows nothing of the work. Totals of more than a million are taken for bytes, smaller ones for steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# (stage, done, total): a new stage begins whenever the label changes. A total of 0 means that nobody knows.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


@contextmanager
def terminal_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """One bar per stage on a terminal (standard error by default), one line per stage elsewhere."""
    from tqdm import tqdm

    out = stream or sys.stderr
    current = ""
    bar: tqdm | None = None

    def show(stage: str, done: int, total: int) -> None:
        nonlocal current, bar
        if stage != current:
            current = stage
            if bar is not None:
                bar.close()
                bar = None
            if out.isatty():
                in_bytes = total > 1_000_000
                bar = tqdm(
                    desc=stage,
                    total=total or None,
                    unit="B" if in_bytes else "",
                    unit_scale=in_bytes,
                    unit_divisor=1024,
                    file=out,
                )
            else:
                print(stage, file=out, flush=True)
        if bar is not None:
            bar.total = total or None
            bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()

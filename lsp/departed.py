"""What left this machine, for `foretype doctor --sent`: each request with its time, host, size and files.

Puts the trail of `model/sent.py` into words. Tells all of it, however long that is. Knows no prompt and no answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

from foretype.context.ghost import plain
from foretype.model.sent import Kept, Sent, trail

_HERE = "this machine"


def as_json(kept: Kept) -> dict[str, object]:
    """`requests`, oldest first, with the fields of `Sent`; what could not be told of others."""
    return {
        "path": str(trail()),
        "requests": [asdict(sent) for sent in kept.requests],
        "lost_requests": kept.lost,
        "damaged_lines": kept.damaged,
    }


def table(kept: Kept) -> Iterator[str]:
    """Lines: one a request, under its day, then what they add up to."""
    if kept.requests:
        width = max(len(_host(sent)) for sent in kept.requests)
        yield f"{'time':8}  {'to':{width}}  {'KiB':>7}  text of"
    day = ""
    for sent in kept.requests:
        at = time.localtime(sent.at_ms / 1000)
        if (today := time.strftime("%Y-%m-%d", at)) != day:
            day = today
            yield day
        files = ", ".join(map(plain, sent.files)) or "no file"
        yield f"{time.strftime('%H:%M:%S', at)}  {_host(sent):{width}}  {sent.body_bytes / 1024:7.1f}  {files}"
    yield from _sum(kept)


def _sum(kept: Kept) -> Iterator[str]:
    if not kept.requests:
        yield f"No request to a completion server is written down in {trail()}."
    else:
        away = [sent for sent in kept.requests if not sent.local]
        hosts = len({sent.host for sent in away})
        yield ""
        yield f"to other machines: {_requests(away)}, to {hosts} host{'' if hosts == 1 else 's'}"
        yield f"to {_HERE}: {_requests([sent for sent in kept.requests if sent.local])}"
    if kept.lost:
        yield f"{kept.lost:,} more could not be written down: the disk was full, or not to be written to"
    if kept.damaged:
        yield f"{kept.damaged:,} line{'' if kept.damaged == 1 else 's'} of {trail()} cannot be read"


def _requests(some: list[Sent]) -> str:
    size = sum(sent.body_bytes for sent in some) / 1024
    return f"{len(some):,} request{'' if len(some) == 1 else 's'}, {size:,.1f} KiB"


def _host(sent: Sent) -> str:
    return f"{plain(sent.host)} ({_HERE})" if sent.local else plain(sent.host)

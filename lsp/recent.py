"""The last opportunities of this machine's event log and what became of each, for `foretype doctor --last`.

Reads rows and puts them into words. What they add up to is `foretype report`'s matter, what a column means
`log/schema.py`'s.
"""

from __future__ import annotations

import heapq
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from foretype.lsp.log.schema import COLUMNS, Opportunity
from foretype.lsp.log.store import reader
from foretype.lsp.outcome import REASONS

# What is listed, and the word for it: opportunities, requests without a change before them, settled edits.
_ORIGINS = {"typed": "typed", "deleted": "del", "invoked": "asked", "unprompted": "moved", "settled": "edit"}

_MEANINGS = {str(reason): why for reason, why in REASONS.items()} | {
    "cache hit": "the rest of a suggestion that a line above has, the beginning of which was typed",
    "unasked": "the client sent no request for it",
    "not shown": "there was an answer, but it did not reach the screen, or the client does not report what it shows",
    "under way": "it has not ended yet",
}
_FLAGS = {"attempted", "recalled", "shown", "multi"}
_NOT_TOLD = {"run", "seq", "evidence"}
_TITLES = ("time", "by", "language", "total", "ctx", "read", "write", "after", "snip", "tokens", "what became of it")
_WIDTH = 100
_LANGUAGE_WIDTH = 10


@dataclass(frozen=True)
class Entry:
    """A row of the log, with what the session had."""

    row: Opportunity
    client: str
    model: str
    engine: str


def read(path: Path, most: int) -> list[Entry]:
    """The last ones of the log at `path`, the newest last. Raises `StoreError`, `sqlite3.Error`."""
    found: list[tuple[int, int, int, Entry]] = []  # a heap: the oldest first
    names, origins = ", ".join(COLUMNS), ", ".join("?" * len(_ORIGINS))
    rows_of = f"SELECT {names} FROM opportunities WHERE run = ? AND origin IN ({origins}) ORDER BY seq DESC LIMIT ?"
    with closing(reader(path)) as connection:
        runs = connection.execute("SELECT run, seen_ms, client, model, engine FROM runs ORDER BY seen_ms DESC")
        for run, seen_ms, client, model, engine in runs.fetchall():
            if len(found) == most and seen_ms < found[0][0]:
                break  # nobody has added to this one, or to any after it, since the oldest that is listed
            for values in connection.execute(rows_of, (run, *_ORIGINS, most)):
                row = Opportunity(*values)
                heapq.heappush(found, (row.at_ms, row.run, row.seq, Entry(row, client, model, engine)))
            while len(found) > most:
                heapq.heappop(found)
    return [entry for *_, entry in sorted(found, key=lambda one: one[:3])]


def outcome(row: Opportunity) -> str:
    """What became of it, in at most 28 characters."""
    if row.recalled:
        return "cache hit"
    if row.ending == "accepted":
        return f"accepted {row.accepted_characters} of {row.characters}"
    if row.shown:
        if not row.ending:
            return "on the screen"
        seconds = "" if row.visible_us is None else f" {row.visible_us / 1e6:.0f} s"
        return f"shown{seconds}, {row.ending.replace('_', ' ')}"
    if row.reason == "unasked":
        return "unasked" if row.ending else "under way"
    if row.reason:
        sure = f" at {row.confidence:.2f}" if row.reason == "gated" and row.confidence is not None else ""
        return f"{'' if row.attempted else 'suppressed: '}{row.reason}{sure}"
    return "not shown" if row.ending else "under way"


def as_json(entry: Entry) -> dict[str, object]:
    """Flat, times in milliseconds; `outcome` is what the table says, `why` what that means."""
    row = entry.row
    told: dict[str, object] = {"outcome": outcome(row), "why": _meaning(row)}
    for name in COLUMNS:
        value = getattr(row, name)
        if name.endswith("_us"):
            told[f"{name[:-3]}_ms"] = None if value is None else value / 1000
        elif name not in _NOT_TOLD:
            told[name] = bool(value) if name in _FLAGS else value
    return {**told, "client": entry.client, "model": entry.model, "engine": entry.engine}


def table(entries: Sequence[Entry]) -> Iterator[str]:
    """Lines of at most 100 columns: one an opportunity, under its day, and what the words in them mean."""
    if not entries:
        yield "The event log holds no opportunities yet: nothing was typed where Foretype was on."
        return
    yield _line(*_TITLES)
    day = ""
    for entry in entries:
        row, at = entry.row, time.localtime(entry.row.at_ms / 1000)
        if (today := time.strftime("%Y-%m-%d", at)) != day:
            day = today
            yield day
        yield _line(
            time.strftime("%H:%M:%S", at),
            _ORIGINS[row.origin],
            _cut(row.language, _LANGUAGE_WIDTH),
            *map(_ms, (row.total_us, row.context_us, row.prefill_us, row.decode_us, _sum(row.trim_us, row.gate_us))),
            "" if row.snippets is None else f"{row.snippets}",
            "" if row.prompt_tokens is None else f"{row.cached_tokens or 0}/{row.prompt_tokens}",
            outcome(row),
        )
    yield ""
    yield from _legend(entries)


def _legend(entries: Sequence[Entry]) -> Iterator[str]:
    columns = (
        "Milliseconds: total from the request to its end; ctx to gather the context, read the prompt, write the answer,"
        " and after it to trim and weigh it. Snip: parts of other files in the prompt. Tokens: of the prompt, how many"
        " were in the cache. Asked: by a key; moved: the cursor went there; edit: a settled edit, with next edits."
    )
    yield from textwrap.wrap(columns, _WIDTH)
    meanings = {_word(entry.row): meaning for entry in entries if (meaning := _meaning(entry.row))}
    for word, meaning in sorted(meanings.items()):
        yield from textwrap.wrap(f"{word}: {meaning}", _WIDTH, subsequent_indent="  ")


def _meaning(row: Opportunity) -> str:
    return _MEANINGS.get(_word(row), "")


def _word(row: Opportunity) -> str:
    """Of an outcome, what `_MEANINGS` explains."""
    said = outcome(row)
    return said if said in _MEANINGS else row.reason


def _line(*cells: str) -> str:
    at, by, language, total, context, read_, write, after, snippets, tokens, became = cells
    numbers = f"{total:>6} {context:>4} {read_:>5} {write:>5} {after:>5} {snippets:>4} {tokens:>9}"
    return f"{at:8} {by:5} {language:{_LANGUAGE_WIDTH}} {numbers}  {became}"


def _ms(us: int | None) -> str:
    return "" if us is None else f"{us / 1000:.0f}"


def _sum(*times: int | None) -> int | None:
    there = [one for one in times if one is not None]
    return sum(there) if there else None


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

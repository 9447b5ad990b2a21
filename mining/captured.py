"""Rows of one's own acceptances: what was suggested, taken and kept, as holes to fill in.

Reads the captures of the event log, which are there where `telemetry.capture_code` is on: the text on both sides of a
suggestion, the suggestion, what was accepted of it. What was accepted becomes the middle of a row if it was still
there, all of it, when it was last looked at, two minutes later or more. The miner's filters of names, lines and secrets
hold, and its comparing of rows; those of commits and of whole files cannot, as there are none: only the surroundings
are kept, so nobody can say whether the file parses.

Ghost text that was turned down becomes no row: it says what was not wanted, and a hole has to have something in it.
Of next edits nothing is captured, so that there are no rows of those, neither of accepted nor of rejected ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretype.context import languages
from foretype.context.rows import FimRow, Origin
from foretype.context.secrets import HIDDEN
from foretype.lsp.log.schema import HORIZONS_S
from foretype.lsp.log.store import reader
from foretype.mining import completions, file_filters, parts
from foretype.mining.candidate import ChangedFile
from foretype.mining.commit import Hunk
from foretype.mining.config import Config
from foretype.mining.filters import Tally
from foretype.mining.git import Change
from foretype.mining.pairs import checked
from foretype.mining.parts import Part

# What rows carry as their repository, and as their licence: it is not known which one the file has.
REPOSITORY, LICENCE = "events", "LicenseRef-unknown"
# What is looked at from so many seconds on, and still there to this part, was kept (shares are of an edit distance).
_KEPT_FROM_S, _KEPT = 120, 0.995
_LEAST_CHARS = 4  # of what was accepted, white space aside: below, there is nothing to learn

_FILTERS = (
    file_filters.file_names,
    file_filters.generated_names,
    file_filters.test_data,
    file_filters.long_lines,
    file_filters.comment_lines,
    file_filters.data_dumps,
    file_filters.known_secrets,
)


class CaptureError(Exception):
    """There is nothing to make rows of. The message tells a user what to do."""


@dataclass(frozen=True)
class Captured:
    """A suggestion with its code. `run` and `seq` are its key in the log, `at_ms` in Unix milliseconds, `ending` how it
    ended; `retained` are the shares still there by `HORIZONS_S`, None where nobody looked."""

    run: int
    seq: int
    at_ms: int
    language: str
    ending: str
    retained: tuple[float | None, ...]
    path: str
    prefix: str
    suffix: str
    text: str
    accepted: str


def read(log: Path) -> list[Captured]:
    """The captures of a log, in the order of time. Raises `CaptureError`, `StoreError`, `sqlite3.Error`."""
    retained = ", ".join(f"retained_{seconds}" for seconds in HORIZONS_S)
    connection = reader(log)
    try:
        found = connection.execute(
            f"SELECT run, seq, at_ms, language, ending, {retained}, path, prefix, suffix, text, accepted"
            " FROM captures JOIN opportunities USING (run, seq) ORDER BY at_ms, run, seq"
        ).fetchall()
    finally:
        connection.close()
    if not found:
        raise CaptureError(
            "the event log holds no code: set telemetry.capture_code = true in your own options, and mine again when "
            "you have typed for a while"
        )
    return [_captured(row) for row in found]


def make_part(captures: Sequence[Captured], config: Config, folder: Path) -> Part:
    """The rows as the part of one more repository, in `folder`. Raises `OSError`."""
    head = hashlib.sha256(repr(captures).encode("utf-8", "surrogatepass")).hexdigest()
    part = Part(REPOSITORY, stem=parts.stem_of(REPOSITORY, head, config), head=head, licences=(LICENCE,))
    tally = Tally()
    return parts.write(part, checked(rows(captures, config, tally), tally), tally, folder)


def rows(captures: Sequence[Captured], config: Config, tally: Tally) -> Iterator[FimRow]:
    """A row of each acceptance that was kept; `tally` counts what was left out, and why."""
    for one in captures:
        if one.ending != "accepted" or not one.accepted.strip():
            tally.reject("not_accepted", one.path, f"it was {one.ending or 'left open'}")
        elif reason := _lost(one):
            tally.reject("not_kept", one.path, reason)
        elif row := _row(one, config, tally):
            yield row


def _captured(row: tuple[Any, ...]) -> Captured:
    run, seq, at_ms, language, ending, *retained = row[: 5 + len(HORIZONS_S)]
    path, prefix, suffix, text, accepted = row[5 + len(HORIZONS_S) :]
    return Captured(run, seq, at_ms, language, ending, tuple(retained), path, prefix, suffix, text, accepted)


def _lost(one: Captured) -> str:
    """Why it is not known that all of it was kept, "" if it was."""
    shares = zip(HORIZONS_S, one.retained, strict=True)
    looked = [share for seconds, share in shares if seconds >= _KEPT_FROM_S and share is not None]
    if not looked:
        return f"nobody looked whether it was there after {_KEPT_FROM_S} s"
    return "" if looked[-1] >= _KEPT else f"{looked[-1]:.0%} of it was still there"


def _row(one: Captured, config: Config, tally: Tally) -> FimRow | None:
    language = languages.find(one.language, one.path)
    if language is None or language.name not in config.languages:
        tally.reject("languages", one.path, f"language {one.language}")
        return None
    if not (config.since or 0) * 1000 <= one.at_ms < (config.until or 1 << 40) * 1000:
        tally.reject("dates", one.path, "not of that time")
        return None
    # who typed the beginning and took the rest was given that beginning
    typed = 0 if one.text.startswith(one.accepted) else len(one.text) - len(one.accepted)
    if not one.text[typed:].startswith(one.accepted) or len(one.accepted.strip()) < _LEAST_CHARS:
        tally.reject("pieces", one.path, "taken in pieces, or next to nothing")
        return None
    if HIDDEN in one.prefix + one.text + one.suffix:
        tally.reject("known_secrets", one.path, "a secret was taken out")
        return None
    before = one.prefix + one.text[:typed]
    lines = (before.rpartition("\n")[2] + one.accepted).split("\n")
    change = Change("M", "100644", "100644", "", "", one.path, one.path)
    file = ChangedFile(change, language, (Hunk(0, (), 0, tuple(lines)),))
    for check in _FILTERS:
        if reason := check(file, config):
            tally.reject(check.__name__, one.path, reason)
            return None
    why = (f"accepted, and kept for {_KEPT_FROM_S} s or more",)
    origin = Origin(REPOSITORY, f"{one.run:x}-{one.seq}", one.at_ms // 1000, LICENCE, one.path, language.name, why)
    prefix, suffix = completions.around(before, one.suffix)
    return FimRow(origin, "multi" if "\n" in one.accepted[:-1] else "single", prefix, one.accepted, suffix)

"""Event logs of nobody: sessions with rates, languages and clocks of their own, to measure and to try the report with.

The figures are made up, and no better or worse than what a real log has. Knows no files.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import fields

from foretype.lsp.log.schema import COLUMNS, Opportunity, Run

SESSION_ROWS = 2500
_LANGUAGES = ("python", "typescript", "go", "rust", "lua")
_WEIGHTS = (50, 25, 12, 8, 5)
_DAY_MS = 86_400_000
_EMPTY = ("empty", "trimmed")
_GATED = ("gated", "unsure")
_LATE = ("stale", "superseded", "cancelled")
_DEFAULTS = {column.name: column.default for column in fields(Opportunity)}


def sessions(rows: int, days: float, seed: int) -> Iterator[tuple[Run, list[tuple]]]:
    """Runs with their rows, as tuples of `COLUMNS`, that end now and began so many days ago."""
    draw = random.Random(seed)
    end, left = int(time.time() * 1000), rows
    while left > 0:
        count = min(left, max(1, int(draw.lognormvariate(0, 0.6) * SESSION_ROWS)))
        left -= count
        at = end - int(draw.random() * days * _DAY_MS)
        at -= at % _DAY_MS - int(min(0.95, max(0.3, draw.gauss(0.6, 0.12))) * _DAY_MS)  # in the day
        at = min(at, end - count * 1500)
        arm = draw.choice(("small", "large"))
        run = Run(
            draw.getrandbits(40),
            f"{draw.getrandbits(64):016x}",
            f"{draw.randrange(20):016x}",
            at,
            at + count * 1400,
            workspace=f"{draw.randrange(40):016x}",
            client="Neovim",
            model=draw.choice(("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")),
            engine="onnx",
            arms=json.dumps({"context": arm}),
            version="0.1.0",
        )
        yield run, list(_rows(draw, run, count, at, 1.15 if arm == "large" else 1.0))


def _rows(draw: random.Random, run: Run, count: int, at: int, lift: float) -> Iterator[tuple]:
    language = draw.choices(_LANGUAGES, _WEIGHTS)[0]
    taste, speed = draw.lognormvariate(0, 0.35), draw.lognormvariate(0, 0.3)
    for seq in range(count):
        at += int(draw.expovariate(1 / 1200)) + 60
        if draw.random() < 0.004:
            language = draw.choices(_LANGUAGES, _WEIGHTS)[0]
        row = {"run": run.run, "seq": seq, "at_ms": at, "language": language, "typed": 1, "ending": "none"}
        fate = draw.random()
        if fate < 0.03:
            row |= {"origin": draw.choice(("paste", "undo", "formatter", "accepted")), "typed": draw.randrange(80)}
        elif fate < 0.05:
            row |= {"kind": "next_edit", "origin": "settled", "attempted": 1, "response": "empty", "reason": "no_place"}
        elif fate < 0.06:
            row |= {"origin": "unprompted"} | _attempt(draw, taste * lift, speed)
        elif fate < 0.22:
            row |= {"reason": "unasked" if draw.random() < 0.8 else "loading"}
        else:
            row |= _attempt(draw, taste * lift, speed)
        if draw.random() < 0.12 and row.get("origin", "typed") == "typed":
            row |= {"origin": "deleted", "typed": 0}
        yield tuple((_DEFAULTS | row)[name] for name in COLUMNS)


def _attempt(draw: random.Random, taste: float, speed: float) -> dict[str, object]:
    context, trim, gate = (int(draw.lognormvariate(mean, 0.5)) for mean in (8.6, 5.5, 6.0))
    prefill, decode = (int(speed * draw.lognormvariate(mean, 0.7)) for mean in (11.6, 11.9))
    times = {"context_us": context, "prefill_us": prefill, "decode_us": decode, "model_us": prefill + decode + 900}
    total = context + prefill + decode + trim + gate + 900
    row: dict[str, object] = {
        "attempted": 1,
        **times,
        "trim_us": trim,
        "gate_us": gate,
        "total_us": total,
        "tokens": draw.randrange(4, 28),
        "prompt_tokens": draw.randrange(150, 400),
        "cached_tokens": draw.randrange(100, 300),
        "confidence": round(draw.random() ** 2, 4),
    }
    fate = draw.random()
    if fate < 0.17:
        return row | {"response": "ready", "recalled": 1}
    if fate < 0.40:
        return row | {"response": "late", "reason": draw.choice(_LATE)}
    if fate < 0.55:
        return row | {"response": "gated", "reason": draw.choice(_GATED)}
    if fate < 0.68:
        return row | {"response": "empty", "reason": draw.choice(_EMPTY)}
    if fate < 0.685:
        return row | {"response": "error", "reason": "failed"}
    characters = int(draw.lognormvariate(2.8, 0.6)) + 2
    row |= {"response": "ready", "characters": characters, "multi": int(characters > 60)}
    row |= {"evidence": "[-1.21,-0.31,-2.1,-0.1,2.9,0.0,0.9,0.1,0.0,3.0]"}
    if fate < 0.72:
        return row
    row |= {"shown": 1, "visible_us": int(1e6 * draw.lognormvariate(0, 0.8))}
    if draw.random() > 0.3 * taste:
        ending = draw.choices(("superseded", "typed_through", "ignored", "rejected", "expired"), (60, 18, 12, 9, 1))[0]
        return row | {"ending": ending}
    part = draw.choices(("all", "lines", "words"), (80, 8, 12))[0]
    taken = characters if part == "all" else max(1, characters // 2)
    tokens = row["tokens"]
    assert isinstance(tokens, int)
    row |= {
        "ending": "accepted",
        "part": part,
        "accepted_characters": taken,
        "accepted_tokens": tokens * taken / characters,
    }
    kept = 1.0
    for seconds in (30, 120, 300, 600):
        kept *= draw.betavariate(12, 1)
        row[f"retained_{seconds}"] = round(kept, 4) if draw.random() < 0.95 else None
    return row

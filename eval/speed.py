"""`foretype model bench`: how fast the local engine reads prompts and writes tokens on this machine.

Prompts are random tokens: the engine's work does not depend on what they say. With `--against` a running llama-server
does the same in the same run, a turn each, since only ratios of one run can be compared.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from foretype.context.machine import cores, peak_mib
from foretype.eval.provenance import revision
from foretype.model.backend import BackendError, Cancel

PROMPTS = (64, 256, 1024)  # tokens
DEPTH = 1024  # tokens in the cache when single steps are timed
STEPS = (1, 4, 8)  # tokens at once
_PEER_TOKENS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", help="default: %(default)s")
    parser.add_argument("--adapter", default="default")
    parser.add_argument("--threads", type=int, default=0, help="0: one per physical core")
    parser.add_argument(
        "--rounds", type=int, default=5, help="the median of this many is printed (default: %(default)s)"
    )
    parser.add_argument("--against", metavar="URL", help="a llama-server with the same model, measured in turns")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")


def run(args: argparse.Namespace) -> int:
    from foretype.model import store
    from foretype.model.onnx import OnnxEngine
    from foretype.model.progress import terminal_progress

    with terminal_progress() as progress:
        built = store.ensure_built(args.model, args.adapter, progress)
    engine = OnnxEngine(built.folder, capacity=DEPTH + max(STEPS), threads=args.threads)
    peer = httpx.Client(base_url=args.against, timeout=120, trust_env=False) if args.against else None
    tokens = [random.Random(1).randrange(100, 50_000) for _ in range(DEPTH + max(STEPS))]
    cancel = Cancel()

    def read(size: int) -> float:
        engine.crop(0)
        return size / _seconds(lambda: engine.forward(tokens[:size], cancel))

    def step(size: int) -> float:
        engine.crop(DEPTH)
        return 1000 * _seconds(lambda: engine.forward(tokens[DEPTH : DEPTH + size], cancel, keep=size))

    rounds: dict[str, list[float]] = {}
    try:
        for _ in range(args.rounds):
            for size in PROMPTS:
                rounds.setdefault(f"prompt_tokens_per_s_{size}", []).append(read(size))
                if peer:
                    rounds.setdefault(f"peer_prompt_tokens_per_s_{size}", []).append(_peer_read(peer, tokens[:size]))
            # the longest prompt was read last, so the cache is DEPTH tokens deep
            for size in STEPS:
                rounds.setdefault(f"token_ms_{DEPTH}_k{size}", []).append(
                    statistics.median(step(size) for _ in range(8))
                )
            if peer:
                rounds.setdefault(f"peer_token_ms_{DEPTH}_k1", []).append(_peer_step(peer, tokens[:DEPTH]))
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
        raise BackendError(
            f"no llama-server answers at {args.against} ({error}): start one and give its URL"
        ) from error
    figures: dict[str, Any] = {name: round(statistics.median(values), 1) for name, values in rounds.items()}
    if peer:
        figures["prompt_ratio_1024"] = round(
            figures["prompt_tokens_per_s_1024"] / figures["peer_prompt_tokens_per_s_1024"], 2
        )
        figures["token_ratio_1024"] = round(figures["token_ms_1024_k1"] / figures["peer_token_ms_1024_k1"], 2)
    figures |= {
        "peak_rss_mib": round(peak_mib()),
        "model": built.manifest.get("name", args.model),
        "adapter": built.manifest.get("adapter", ""),
        "model_sha256": built.manifest.get("sha256", ""),
        "engine": "onnxruntime",
        "threads": args.threads or cores(),
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else _table(figures))
    return 0


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _peer_read(peer: httpx.Client, tokens: list[int]) -> float:
    return float(_ask(peer, tokens, 1)["prompt_per_second"])


def _peer_step(peer: httpx.Client, tokens: list[int]) -> float:
    return float(_ask(peer, tokens, _PEER_TOKENS)["predicted_per_token_ms"])


def _ask(peer: httpx.Client, tokens: list[int], count: int) -> dict[str, Any]:
    """llama-server's own timings of a prompt that it has not cached (`tools/server/README.md`, "timings")."""
    order = {"prompt": tokens, "n_predict": count, "cache_prompt": False, "ignore_eos": True, "temperature": 0.0}
    return peer.post("/completion", json=order).raise_for_status().json()["timings"]


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['model']} ({figures['adapter'] or 'no adapter'}), {figures['threads']} threads", ""]
    for size in PROMPTS:
        lines.append(_line(f"prompt of {size} tokens", figures, f"prompt_tokens_per_s_{size}", "tokens/s"))
    for size in STEPS:
        lines.append(_line(f"{size} more at depth {DEPTH}", figures, f"token_ms_{DEPTH}_k{size}", "ms"))
    lines.append(f"{'peak memory':<26} {figures['peak_rss_mib']:8.0f} MiB")
    return "\n".join(lines) + "\n"


def _line(what: str, figures: dict[str, Any], key: str, unit: str) -> str:
    peer = figures.get(f"peer_{key}")
    return f"{what:<26} {figures[key]:8.1f} {unit}" + (f"   llama.cpp {peer:8.1f} {unit}" if peer else "")

"""`foretype eval divergence`: how far a built model's next-token distributions are from another build's.

The mean Kullback-Leibler divergence D(reference || candidate) in nats per token, and how often both like the same
token best, over windows of real code. Finer than pass rates: it sees what quantization costs. The reference is usually
a build that was not quantized (`--full` makes one of the model's weights).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from foretype.eval.provenance import revision
from foretype.model.backend import BackendError, Cancel
from foretype.model.onnx import OnnxEngine
from foretype.model.tokenizer import Vocab

WINDOW = 512  # tokens
EXTENSIONS = frozenset({".py", ".js", ".ts", ".go", ".rs", ".java", ".c", ".h", ".cc", ".cpp", ".lua"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--code", required=True, nargs="+", type=Path, metavar="DIR", help="folders of source code")
    parser.add_argument("--tokens", type=int, default=50_000, help="how many to look at (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--candidate", type=Path, nargs="+", required=True, help="folders of builds")
    parser.add_argument("--reference", type=Path, help="folder of a build; default: the weights, not quantized")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", help="whose weights (default: %(default)s)")
    parser.add_argument("--adapter", default="default", help="merged into the weights of the reference")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        reference = args.reference or _full(args.model, args.adapter, Path(scratch))
        vocab = Vocab(args.candidate[0] / "tokenizer.json")
        windows = list(_windows(args.code, vocab, args.tokens, args.seed))
        if not windows:
            raise BackendError(f"no source file of at least {WINDOW} tokens in {', '.join(map(str, args.code))}")
        rows = _compare(reference, args.candidate, windows)
    figures = {
        "candidates": rows,
        "tokens": len(windows) * WINDOW,
        "seed": args.seed,
        "model": args.model,
        "adapter": args.adapter,
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else _table(rows))
    return 0


def _compare(reference: Path, candidates: list[Path], windows: list[list[int]]) -> list[dict[str, Any]]:
    """One row per candidate. All engines are loaded at once, so that no distribution needs to be kept."""
    cancel = Cancel()
    truth, *others = [OnnxEngine(folder, WINDOW) for folder in (reference, *candidates)]
    sums: list[list[float]] = [[] for _ in others]
    same = [0] * len(others)
    for window in tqdm(windows, unit="window", file=sys.stderr, disable=None):
        truth.crop(0)
        expected = _log_softmax(truth.forward(window, cancel, keep=WINDOW))
        best = expected.argmax(axis=1)
        weights = np.exp(expected)
        for index, engine in enumerate(others):
            engine.crop(0)
            found = _log_softmax(engine.forward(window, cancel, keep=WINDOW))
            same[index] += int((found.argmax(axis=1) == best).sum())
            np.subtract(expected, found, out=found)
            sums[index] += (weights * found).sum(axis=1).tolist()
    return [
        {
            "candidate": folder.name,
            "divergence": float(np.mean(values)),
            # windows are independent of each other, the tokens of one are not
            "divergence_se": float(np.reshape(values, (len(windows), -1)).mean(axis=1).std() / len(windows) ** 0.5),
            "same_best_token": count / len(values),
        }
        for folder, values, count in zip(candidates, sums, same, strict=True)
    ]  # fmt: skip


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _windows(folders: list[Path], vocab: Vocab, tokens: int, seed: int) -> Iterator[list[int]]:
    """The first window of one file after another, in an order that `seed` decides."""
    files = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in EXTENSIONS and path.is_file()
    )
    random.Random(seed).shuffle(files)
    count = 0
    for path in files:
        if count >= tokens:
            return
        try:
            found = vocab.encode(path.read_text("utf-8")[: 16 * WINDOW])
        except (OSError, UnicodeDecodeError):
            continue
        if len(found) >= WINDOW:
            count += WINDOW
            yield found[:WINDOW]


def _full(model: str, adapter: str, folder: Path) -> Path:
    """Writes the graph of the weights as they are, in float32."""
    from foretype.model import build, store

    target = store.resolve(model, adapter)
    build.build(target.gguf, folder, target.adapter.folder if target.adapter else None, plan=lambda name: None)
    return folder


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'build':<40} {'divergence, nats':>18} {'same best token':>16}"]
    for row in rows:
        divergence = f"{row['divergence']:9.4f} ± {row['divergence_se']:.4f}"
        lines.append(f"{row['candidate']:<40} {divergence} {row['same_best_token']:16.4f}")
    return "\n".join(lines) + "\n"

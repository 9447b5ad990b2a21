"""`foretype model mean`: the weighted mean of adapters that come from one another.

    foretype model mean 0.4=train/D 0.4=train/C 0.2=train/A --out mean

A run that teaches one thing takes a little of others away; the mean of a run with those that it went on from keeps most
of both (M. Wortsman et al., "Model soups", ICML 2022). The factors of LoRA are averaged, not their products, which is
only near the mean of what the adapters do where they have a common beginning: `--from` of the same adapter. Exit status
0 done, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from foretype.model.backend import ModelError
from foretype.model.store import CONFIG, RECORD, WEIGHTS
from foretype.model.weights import Adapter

Weighted = tuple[float, Path]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("parts", type=_weighted, nargs="+", metavar="X=DIR", help="an adapter and how much it counts")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the mean goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Writes the mean; the exit status."""
    try:
        size = mean(args.parts, args.out)
    except (ModelError, OSError, ValueError) as error:
        sys.stderr.write(f"foretype model mean: {error}\n")
        return 2
    sys.stdout.write(
        json.dumps({"folder": str(args.out), "bytes": size}) + "\n"
        if args.json
        else f"the mean, {size / (1 << 20):.1f} MiB, is in {args.out}: foretype model build --adapter {args.out}\n"
    )
    return 0


def mean(parts: list[Weighted], out: Path) -> int:
    """Writes the mean of the adapters into a folder, with the first one's record and, under "mean", what it is the mean
    of; the bytes of its weights. The weights need not come to 1. Raises `BuildError` for what is no adapter, ValueError
    where two are not of a kind or `out` is one of them, OSError."""
    from safetensors.torch import load_file

    from foretype.model.digests import computed
    from foretype.model.train.files import replaced, write_tensors

    folders = [folder for _, folder in parts]
    if len(parts) < 2:
        raise ValueError("give at least two adapters")
    if any(out.resolve() == folder.resolve() for folder in folders):
        raise ValueError(f"{out} is one of the adapters; give --out another folder")
    for folder in folders:
        Adapter(folder)
    configs = [json.loads((folder / CONFIG).read_text("utf-8")) for folder in folders]
    tensors = [load_file(folder / WEIGHTS) for folder in folders]
    shapes = [{name: tensor.shape for name, tensor in one.items()} for one in tensors]
    for folder, config, shape in zip(folders, configs, shapes, strict=True):
        if shape != shapes[0] or any(config.get(key) != configs[0].get(key) for key in ("r", "lora_alpha")):
            raise ValueError(f"{folder} is of another rank or other layers than {folders[0]}; they have no mean")
    total = sum(weight for weight, _ in parts)
    summed = {
        name: sum(weight / total * one[name].float() for (weight, _), one in zip(parts, tensors, strict=True))
        for name in tensors[0]
    }
    out.mkdir(parents=True, exist_ok=True)
    with replaced(out / WEIGHTS) as path:
        write_tensors(path, {name: one.to(tensors[0][name].dtype) for name, one in summed.items()}, {"format": "pt"})
    record = folders[0] / RECORD
    said = json.loads(record.read_text("utf-8")) if record.is_file() else {}
    said["mean"] = [[weight / total, computed(folder / WEIGHTS)] for weight, folder in parts]
    for name, content in ((CONFIG, configs[0]), (RECORD, said)):
        with replaced(out / name) as path:
            path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return (out / WEIGHTS).stat().st_size


def _weighted(text: str) -> Weighted:
    weight, equals, folder = text.partition("=")
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not (equals and folder and math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 0.5=DIR")
    return number, Path(folder)

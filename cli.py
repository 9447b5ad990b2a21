"""The command line. Composes all commands, each imported only when it is asked for; knows what none of them does.

Exit status: 0 done, 1 the work failed, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from foretype import __version__
from foretype.model.backend import ModelError

Arguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="foretype", description="Ghost text and next edits from a language server on your own CPU."
    )
    parser.add_argument("--version", action="version", version=f"foretype {__version__}")
    _grow(parser, COMMANDS, words)
    args = parser.parse_args(words)
    try:
        return args.run(args)
    except ModelError as error:
        print(f"foretype: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("foretype: interrupted; the next run goes on from here", file=sys.stderr)
        return 130


def serve(args: argparse.Namespace) -> int:
    from foretype.lsp.server import serve_stdio

    return serve_stdio()


def model_pull(args: argparse.Namespace) -> int:
    from foretype.model import store
    from foretype.model.progress import terminal_progress

    with terminal_progress() as progress:
        if args.source or not args.build:
            store.pull(args.name, progress, Path(args.source) if args.source else None)
        built = store.ensure_built(args.name, args.adapter, progress) if args.build else None
    facts = {
        "name": args.name,
        "folder": str(built.folder) if built else "",
        "manifest": built.manifest if built else {},
    }
    if args.json:
        print(json.dumps(facts))
    elif built:
        adapter = built.manifest.get("adapter") or "no adapter"
        print(f"{args.name} ({adapter}) is ready in {built.folder}")
    else:
        print(f"{args.name} is pulled")
    return 0


def model_list(args: argparse.Namespace) -> int:
    from foretype.model import store

    rows = store.listing()
    if args.json:
        print(
            json.dumps([{**vars(row), "builds": [built.folder for built in row.builds]} for row in rows], default=str)
        )
        return 0
    for row in rows:
        mark = "*" if row.default else " "
        state = "pulled" if row.pulled else "not pulled"
        size = f"{row.size / 2**20:6.0f} MiB"
        print(f"{mark} {row.name:<24} {size}  {row.licence:<12} {state:<10} adapter: {row.adapter or 'none'}")
        for built in row.builds:
            adapter = built.manifest.get("adapter") or "no adapter"
            print(f"      built with {adapter}, {built.manifest.get('quantization', '')}: {built.folder}")
    print("* is the default; `foretype model pull NAME` gets and builds a model")
    return 0


def model_bench(args: argparse.Namespace) -> int:
    from foretype.eval import speed

    return speed.run(args)


def index(args: argparse.Namespace) -> int:
    from foretype.context import command

    return command.run(args)


def context(args: argparse.Namespace) -> int:
    from foretype.lsp import explain

    return explain.run(args)


def complete(args: argparse.Namespace) -> int:
    from foretype.lsp import once

    return once.run(args)


def infill(args: argparse.Namespace) -> int:
    from foretype.eval import infill

    return infill.run(args)


def crossfile(args: argparse.Namespace) -> int:
    from foretype.eval import crossfile

    return crossfile.run(args)


def divergence(args: argparse.Namespace) -> int:
    from foretype.eval import divergence

    return divergence.run(args)


def _pull_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="qwen2.5-coder-0.5b", help="default: %(default)s")
    parser.add_argument("--from", dest="source", metavar="PATH", help="take the file from here, or from this folder")
    parser.add_argument("--adapter", default="default", help='"default", "none", a shipped name or a folder')
    parser.add_argument("--no-build", dest="build", action="store_false", help="only get the file")
    _json(parser)


def _bench_arguments(parser: argparse.ArgumentParser) -> None:
    from foretype.eval import speed

    speed.add_arguments(parser)


def _context_arguments(parser: argparse.ArgumentParser) -> None:
    _complete_arguments(parser)
    parser.add_argument("--tokens", type=int, default=192, help="the most to show (default: %(default)s)")


def _index_arguments(parser: argparse.ArgumentParser) -> None:
    from foretype.context import command

    command.add_arguments(parser)


def _complete_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="FILE:LINE:COL", help="line and column count from 1; the column is of the cursor"
    )
    _json(parser)


def _infill_arguments(parser: argparse.ArgumentParser) -> None:
    from foretype.eval import infill

    infill.add_arguments(parser)


def _crossfile_arguments(parser: argparse.ArgumentParser) -> None:
    from foretype.eval import crossfile

    crossfile.add_arguments(parser)


def _divergence_arguments(parser: argparse.ArgumentParser) -> None:
    from foretype.eval import divergence

    divergence.add_arguments(parser)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else on standard output")


def _none(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


# name -> (what it does, its arguments, its function), or its own table of commands
COMMANDS: dict[str, tuple[str, Arguments, Run] | tuple[str, dict]] = {
    "serve": ("the language server on standard input and output", _none, serve),
    "complete": ("one ghost-text completion, and what it took", _complete_arguments, complete),
    "index": ("build or refresh the symbol graph of a folder", _index_arguments, index),
    "context": ("what of the workspace belongs into the prompt at a place", _context_arguments, context),
    "model": (
        "get, verify, build and measure models",
        {
            "pull": ("get a model and build it", _pull_arguments, model_pull),
            "list": ("the models, and what is on this machine", _json, model_list),
            "bench": ("prompt and token speed on this machine", _bench_arguments, model_bench),
        },
    ),
    "eval": (
        "benchmarks",
        {
            "infill": ("HumanEval-Infilling, by running the tests", _infill_arguments, infill),
            "crossfile": ("what cross-file context is worth, on real packages", _crossfile_arguments, crossfile),
            "divergence": ("what quantization changes in the next token", _divergence_arguments, divergence),
        },
    ),
}


def _grow(parser: argparse.ArgumentParser, commands: dict, words: Sequence[str]) -> None:
    """Adds the commands; only the one that was asked for is imported, for its arguments."""
    asked = next((word for word in words if not word.startswith("-")), None)
    children = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (text, *rest) in commands.items():
        child = children.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if isinstance(rest[0], dict):
            _grow(child, rest[0], words[words.index(name) + 1 :] if name == asked else [])
        elif name == asked:
            rest[0](child)
            child.set_defaults(run=rest[1])


if __name__ == "__main__":
    sys.exit(main())

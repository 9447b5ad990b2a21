"""The command line. Composes all commands, each imported only when it is asked for; knows what none of them does.

Exit status: 0 done, 1 the work failed, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from foretype import __version__
from foretype.model.backend import ModelError

Arguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]

# Modules that not every installation has, and the extra of pyproject.toml that brings each.
_EXTRAS = {
    **dict.fromkeys(("git", "zstandard", "datasketch", "detect_secrets"), "mine"),
    **dict.fromkeys(("duckdb", "matplotlib", "scipy", "pyarrow"), "report"),
    **dict.fromkeys(("jedi", "pydriller", "coverage", "tea_tasting"), "compare"),
    **dict.fromkeys(("torch", "transformers", "peft", "accelerate"), "train"),
}


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="foretype", description="Ghost text and next edits from a language server on your own CPU."
    )
    parser.add_argument("--version", action="version", version=f"foretype {__version__}")
    # Python's own child processes are started with -c: modules of the current folder, a cloned repository, must not run
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    try:
        _grow(parser, COMMANDS, words)
        args = parser.parse_args(words)
        return args.run(args)
    except ModuleNotFoundError as error:
        if (extra := _EXTRAS.get((error.name or "").partition(".")[0])) is None:
            raise
        print(f"foretype: this needs {error.name}: pip install 'foretype[{extra}]'", file=sys.stderr)
        return 2
    except ModelError as error:
        print(f"foretype: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("foretype: interrupted; the next run goes on from here", file=sys.stderr)
        return 130


def serve(args: argparse.Namespace) -> int:
    if args.connect:
        from foretype.lsp.tcp_bridge import serve_bridge

        return serve_bridge()
    if args.tcp is not None:
        from foretype.lsp.tcp import serve_tcp

        return serve_tcp(args.tcp)
    from foretype.lsp.serve import serve_stdio

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


def _pull_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="qwen2.5-coder-0.5b", help="default: %(default)s")
    parser.add_argument("--from", dest="source", metavar="PATH", help="take the file from here, or from this folder")
    parser.add_argument("--adapter", default="default", help='"default", "none", a shipped name or a folder')
    parser.add_argument("--no-build", dest="build", action="store_false", help="only get the file")
    _json(parser)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else on standard output")


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    port = "serve several editors of this user at a port of this machine, a free one unless named"
    ways.add_argument("--tcp", nargs="?", const=0, type=_port, metavar="PORT", help=port)
    ways.add_argument("--connect", action="store_true", help="connect standard input and output with that server")


def _port(word: str) -> int:
    if not (word.isdecimal() and int(word) < 2**16):
        raise argparse.ArgumentTypeError(f"{word!r} is no port; give a number up to 65535")
    return int(word)


# A command is a module with `add_arguments` and `run`, or two such functions; or it has commands of its own.
Command = str | tuple[Arguments, Run] | dict

# name -> (what it does, the command)
COMMANDS: dict[str, tuple[str, Command]] = {
    "serve": ("the language server on standard input and output", (_serve_arguments, serve)),
    "complete": ("one ghost-text completion, and what it took", "foretype.lsp.once"),
    "edits": ("next edits for the changes since a commit", "foretype.lsp.edits.once"),
    "index": ("build or refresh the symbol graph of a folder", "foretype.context.command"),
    "context": ("what of the workspace belongs into the prompt at a place", "foretype.lsp.explain"),
    "doctor": ("what is installed, what works, and how to mend what does not", "foretype.lsp.doctor"),
    "mine": ("git histories to training pairs", "foretype.mining.command"),
    "train": ("an adapter from mined pairs, or from your own history", "foretype.eval.own_history"),
    "model": (
        "get, verify, build and measure models",
        {
            "pull": ("get a model and build it", (_pull_arguments, model_pull)),
            "list": ("the models, and what is on this machine", (_json, model_list)),
            "build": ("build a model, with an adapter of your own", "foretype.model.train.build_command"),
            "mean": ("the weighted mean of adapters", "foretype.model.train.mean"),
            "bench": ("prompt and token speed on this machine", "foretype.eval.speed"),
        },
    ),
    "report": ("characters per opportunity, and what would move it", "foretype.eval.report"),
    "gate": (
        "how sure to be before suggesting",
        {"fit": ("fit it to what became of suggestions here", "foretype.eval.refit_gate")},
    ),
    "telemetry": ("the event log: what there is, off, on, purge, export", "foretype.lsp.log.command"),
    "experiment": (
        "experiments on one's own options",
        {"check": ("whether a file is one", "foretype.eval.experiments")},
    ),
    "eval": (
        "benchmarks",
        {
            "infill": ("HumanEval-Infilling, by running the tests", "foretype.eval.infill"),
            "agreement": ("this engine and a server with the same weights, task by task", "foretype.eval.agreement"),
            "check": ("whether a suite is significantly worse than the baseline", "foretype.eval.check"),
            "compare": ("two models on all benchmarks, with paired tests", "foretype.eval.compare"),
            "crossfile": ("what cross-file context is worth, on real packages", "foretype.eval.crossfile"),
            "definitions": ("whether the symbol graph finds what jedi finds", "foretype.eval.definitions"),
            "divergence": ("what quantization changes in the next token", "foretype.eval.divergence"),
            "drafts": ("what drafts save on edits of real commits", "foretype.eval.drafts"),
            "edits": ("next edits, on cases, mined pairs and real commits", "foretype.eval.edits"),
            "events": ("what the event log costs, and how long a report takes", "foretype.eval.log.speed"),
            "grouping": ("whether related hunks are found, against labels", "foretype.eval.grouping"),
            "holdout": ("lines of the newest commits, which no model has seen", "foretype.eval.holdout"),
            "index": ("how fast the symbol graph is, against parsing alone", "foretype.eval.indexing_speed"),
            "likelihood": ("two adapters on the answers of mined rows, in minutes", "foretype.eval.likelihood"),
            "load": ("whether many editors at one server get their fair share", "foretype.eval.load"),
            "mining": ("how fast history is read and filtered", "foretype.eval.mining"),
            "overlap": ("training rows that share code with the benchmarks", "foretype.eval.overlap"),
            "replay": ("what ghost text is worth to who types a history again", "foretype.eval.replay"),
            "simulate": ("whether the statistics of experiments hold what they promise", "foretype.eval.simulate"),
            "soak": ("whether the server stays what it was after minutes of typing", "foretype.eval.soak"),
            "suite": ("models through all benchmarks, unattended", "foretype.eval.suite"),
        },
    ),
}


def _grow(parser: argparse.ArgumentParser, commands: dict[str, tuple[str, Command]], words: Sequence[str]) -> None:
    """Adds the commands; only the one that was asked for is imported, for its arguments."""
    asked = next((word for word in words if not word.startswith("-")), None)
    children = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (text, command) in commands.items():
        child = children.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if isinstance(command, dict):
            _grow(child, command, words[words.index(name) + 1 :] if name == asked else [])
        elif name == asked:
            if isinstance(command, str):
                module = importlib.import_module(command)
                command = module.add_arguments, module.run
            command[0](child)
            child.set_defaults(run=command[1])


if __name__ == "__main__":
    sys.exit(main())

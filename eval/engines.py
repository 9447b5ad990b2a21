"""The engines that a benchmark can measure, by the names that the command line gives them.

Each is imported only when it is asked for. The limits set here leave every prompt of HumanEval-Infilling whole. Knows
no benchmark's format.
"""

from __future__ import annotations

import argparse

from foretype.model.backend import Backend, BackendError

# Greedy answers of one model on a slow machine take seconds; an editor's patience is not the measure here.
TIMEOUT_S = 120.0
PREFIX_TOKENS = 3000
SUFFIX_TOKENS = 900
# For the backends that cut by characters, of which code has three to four a token.
PREFIX_CHARS = 4 * PREFIX_TOKENS
SUFFIX_CHARS = 4 * SUFFIX_TOKENS

LLAMA_SERVER_URL = "http://127.0.0.1:8080"


class UsageError(BackendError):
    """An option that the engine needs is missing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=_OPENERS, default="local", help="default: %(default)s")
    parser.add_argument("--model", default="", metavar="NAME", help="default for local: the catalogue's own")
    parser.add_argument(
        "--adapter", default="default", metavar="NAME", help='of a local model: "default", "none" or a folder'
    )
    parser.add_argument("--url", default="", help="where the server is (openai, llama-server)")
    parser.add_argument("--family", default="", help="prompt layout (openai, hf); default: the server's, or by name")


def open_backend(args: argparse.Namespace) -> Backend:
    """The backend that `args` names. Raises `BackendError`, of which `UsageError` is one."""
    return _OPENERS[args.engine](args)


def _local(args: argparse.Namespace) -> Backend:
    from foretype.model import local
    from foretype.model.catalogue import StoreError, catalogue
    from foretype.model.progress import terminal_progress

    try:
        with terminal_progress() as progress:
            return local.open_backend(
                args.model or next(entry.name for entry in catalogue().values() if entry.default),
                args.adapter,
                threads=0,
                context_tokens=PREFIX_TOKENS + SUFFIX_TOKENS + 196,
                prefix_tokens=PREFIX_TOKENS,
                suffix_tokens=SUFFIX_TOKENS,
                progress=progress,
            )
    except StoreError as error:
        raise BackendError(str(error)) from error


def _openai(args: argparse.Namespace) -> Backend:
    from foretype.model.openai import OpenAIBackend

    if not args.url or not args.model:
        raise UsageError("--engine openai needs --url and --model")
    return OpenAIBackend(
        args.url, args.model, args.family, timeout_s=TIMEOUT_S, prefix_chars=PREFIX_CHARS, suffix_chars=SUFFIX_CHARS
    )


def _hf(args: argparse.Namespace) -> Backend:
    from foretype.model.hf import HfBackend

    if not args.model:
        raise UsageError("--engine hf needs --model, a repository of the hub or a folder")
    return HfBackend(args.model, args.family, prefix_chars=PREFIX_CHARS, suffix_chars=SUFFIX_CHARS)


def _llama_server(args: argparse.Namespace) -> Backend:
    from foretype.eval.llama.server import LlamaServer

    return LlamaServer(args.url or LLAMA_SERVER_URL, timeout_s=TIMEOUT_S)


_OPENERS = {"local": _local, "openai": _openai, "hf": _hf, "llama-server": _llama_server}

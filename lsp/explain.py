"""`foretype context FILE:LINE:COL`: what of the rest of the workspace belongs into the prompt there, and why.

Loads no model: tokens are guessed from characters.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from foretype.context.gather import Budget, Snippet
from foretype.lsp import once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    once.add_arguments(parser)
    parser.add_argument("--tokens", type=int, default=192, help="the most to show (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """The command: 0 done, 2 no such place."""
    try:
        place = once.parse(args.place)
        root = once.workspace(place.path)
        ask = once.locate(place, root)
    except once.PlaceError as error:
        sys.stderr.write(f"foretype: {error}\n")
        return 2
    snippets = once.gathered(ask, root or place.path.absolute().parent, Budget(tokens=args.tokens))
    sys.stdout.write(_json(snippets) if args.json else _text(place, snippets))
    return 0


def _json(snippets: Sequence[Snippet]) -> str:
    return json.dumps({"snippets": [asdict(snippet) for snippet in snippets]}) + "\n"


def _text(place: once.Place, snippets: Sequence[Snippet]) -> str:
    if not snippets:
        return f"{place}: nothing of the rest of the workspace seems to belong there\n"
    parts = [f"{place}, the most useful last, next to the text before the cursor\n"]
    for one in snippets:
        parts.append(
            f"\n{one.path}:{one.start + 1}-{one.stop}  {one.source}, score {one.score:.2f}, about {one.tokens} tokens\n"
        )
        parts.append("".join(f"    {line}\n" for line in one.text.splitlines()))
    return "".join(parts)

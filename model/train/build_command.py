"""`foretype model build`: a model's graph, with an adapter of one's own merged into it.

    foretype model build --adapter DIR

What is built is used where that adapter is asked for (the option `model.adapter`, `--adapter`), and `foretype model
list` shows it. Exit status 0 done, also where it says that the adapter's next edits are of no use; 1 it could not be
built.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext

from foretype.model import catalogue, edit_format, store
from foretype.model.progress import silent, terminal_progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = next((name for name, entry in catalogue.catalogue().items() if entry.default), "")
    parser.add_argument("name", nargs="?", default=default, help="of the catalogue, or a GGUF file: %(default)s")
    parser.add_argument("--adapter", default="default", help='a folder, "default", "none" or a shipped name')
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Builds it, unless it is there; the exit status."""
    try:
        with nullcontext(silent) if args.json else terminal_progress() as progress:
            built = store.ensure_built(args.name, args.adapter, progress)
    except store.StoreError as error:
        sys.stderr.write(f"foretype model build: {error}\n")
        return 1
    if complaint := _spelt_otherwise(store.resolve(args.name, args.adapter).adapter):
        sys.stderr.write(f"foretype model build: {complaint}\n")
    named = {name: built.manifest.get(name, "") for name in ("name", "adapter", "adapter_sha256", "sha256")}
    sys.stdout.write(
        json.dumps({**named, "folder": str(built.folder)}) + "\n"
        if args.json
        else f"{named['name']} with {named['adapter'] or 'no adapter'} is in {built.folder}\n"
    )
    return 0


def _spelt_otherwise(adapter: store.Adapter | None) -> str:
    """What to say of an adapter that was taught next edits in another format than they are asked for in; "" of others
    and of those that do not tell."""
    if adapter is None:
        return ""
    try:
        record = json.loads((adapter.folder / store.RECORD).read_text("utf-8"))
        taught = record["layout"]["edits"] if record["task"] != "fim" else edit_format.NAME
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if taught == edit_format.NAME:
        return ""
    return (
        f"{adapter.name} was taught next edits in the format {taught!r}, which is not asked for: expect ghost text of "
        "it alone, or train it anew"
    )

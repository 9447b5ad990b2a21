"""The models known by name, and where everything of a model lies on disk.

The entries are in `catalogue.toml`; a file named by the environment's FORETYPE_CATALOGUE adds to them. Knows no
network and writes nothing.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from foretype.context.machine import cache_dir
from foretype.model.backend import ModelError
from foretype.model.carriers import Carrier, carrier_of

SHIPPED = Path(__file__).parent


class StoreError(ModelError):
    """A model cannot be pulled, built or found."""


@dataclass(frozen=True)
class Entry:
    """A model. `size` is in bytes, `sha256` lower-case hex, both of the GGUF `file`; `adapter` is "" for none.

    `family` names the prompt layout; it is "" where only the GGUF's own metadata can tell.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    family: str
    adapter: str = ""
    carriers: tuple[Carrier, ...] = ()
    default: bool = False


def catalogue() -> dict[str, Entry]:
    """All entries by name. Raises `StoreError` if the user's own catalogue cannot be read."""
    files = [SHIPPED / "catalogue.toml"]
    if own := os.environ.get("FORETYPE_CATALOGUE"):
        files.append(Path(own).expanduser())
    rows: dict[str, dict] = {}
    default = ""
    for file in files:
        try:
            table = tomllib.loads(file.read_text("utf-8"))
            rows |= {name: {**row, "carriers": _carriers(row)} for name, row in table.get("models", {}).items()}
            default = table.get("default", default)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"the catalogue {file} cannot be read ({error}); mend it") from error
    try:
        return {name: Entry(name=name, **row, default=name == default) for name, row in rows.items()}
    except TypeError as error:
        raise StoreError(f"the catalogue {files[-1]} has a wrong entry ({error}); mend it") from error


def entry_named(name: str) -> Entry:
    """The catalogue's entry. Raises `StoreError` with the closest names if there is none."""
    known = catalogue()
    if name in known:
        return known[name]
    raise StoreError(f"no model is called {name!r}; {suggestion(name, list(known))}")


def suggestion(name: str, known: list[str]) -> str:
    """What to say after an unknown name."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(sorted(known))}"


def is_path(name: str) -> bool:
    """Whether a model's or adapter's name is meant as a path; names of the catalogue never are.

    So a folder in the current directory can not take the place of a model of the same name.
    """
    return name.startswith("~") or "/" in name or os.sep in name or name.endswith((".gguf", ".onnx"))


def models_dir() -> Path:
    return cache_dir() / "models"


def digests_file() -> Path:
    """Where digests are remembered."""
    return cache_dir() / "digests.json"


def gguf_path(entry: Entry) -> Path:
    """Where the entry's GGUF lies once it is pulled."""
    return models_dir() / entry.name / entry.file


def _carriers(row: dict) -> tuple[Carrier, ...]:
    return tuple(carrier_of(carrier) for carrier in row.get("carriers", ()))

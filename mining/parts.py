"""One repository's rows as files of their own: made by one worker, whole or not at all, and found by the next run.

`mine_repository` depends on the repository's commits and the options alone. A part is three files: the rows
(`.jsonl.zst`), for each row what comparing rows needs (`.index`), and what was counted (`.json`), which is written last
and says that the part is whole. Their name holds a digest of all that decides the rows: the head, the options and this
code. Does not know of other repositories.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import zstandard

from foretype import __version__
from foretype.context import rows
from foretype.context.row_files import zstd_lines
from foretype.context.rows import EditRow, Row
from foretype.mining import duplicates, pairs
from foretype.mining.config import Config
from foretype.mining.filters import Tally
from foretype.mining.git import GitError, History
from foretype.mining.licence import licences, refusal
from foretype.mining.lint import LintError
from foretype.mining.sources import Source
from foretype.mining.survivors import pathspecs, seldom_collected

# Of each row: the author's time, the first half of its id's digits, and the sketch of what it teaches.
_PIECE = 8192  # rows of an index, of half a kilobyte each
INDEX = np.dtype([("time", "<i8"), ("id", "<u8"), ("sketch", "<u4", (duplicates.SIZE,))])
LEVEL = 6  # of zstd: 3 MiB for each file that is written, a third of what 9 takes


@dataclass(frozen=True)
class Job:
    """What one worker is to do: mine a repository into the folder `folder`."""

    source: Source
    config: Config
    folder: str


@dataclass(frozen=True)
class Part:
    """One repository's rows and what was counted. `stem` is the files' name without extensions, "" where there are
    none: `refused` says that the repository is not to be mined, `problem` that it could not be.

    `root` is its oldest commit without parents, which forks share. `commits` are those seen, `skipped` those that could
    not be read, `cpu_s` the worker's CPU seconds and git's. `again`: it was there from an earlier run.
    """

    repository: str
    stem: str = ""
    head: str = ""
    root: str = ""
    licences: tuple[str, ...] = ()
    refused: str = ""
    problem: str = ""
    commits: int = 0
    skipped: int = 0
    rows: int = 0
    rejected: dict[str, int] | None = None
    cpu_s: float = 0.0
    seconds: float = 0.0
    again: bool = False


def mine(job: Job) -> Part:
    """As `mine_repository`, with what goes wrong as the part's problem."""
    try:
        return mine_repository(job.source, job.config, Path(job.folder))
    except (GitError, LintError) as error:
        return Part(job.source.name, problem=str(error))
    except OSError as error:
        return Part(job.source.name, problem=f"{error.filename or job.folder}: {error.strerror or error}")


def mine_repository(source: Source, config: Config, folder: Path) -> Part:
    """One repository's part in `folder`, as it was left or made now. Raises `GitError`, `LintError`, `OSError`."""
    with History(source.path, source.name, pathspecs(config)) as history:
        found = tuple(licences(history))
        part = Part(source.name, head=history.head, licences=found, refused=refusal(found, config.licences))
        if part.refused:
            return part
        part = replace(part, stem=stem_of(source.name, history.head, config), root=history.root())
        if left := _left(part, folder):
            return left
        tally = Tally()
        return write(part, pairs.mine(history, " AND ".join(part.licences), config, tally), tally, folder, history)


def lines(part: Part, folder: Path) -> Iterator[bytes]:
    """The part's rows in their order, each with its newline. Raises `OSError`, `zstandard.ZstdError`."""
    with open(folder / f"{part.stem}.jsonl.zst", "rb") as file:
        yield from zstd_lines(file)


def index(part: Part, folder: Path) -> np.ndarray:
    """What comparing needs of each row, in the order of the rows: an array of type `INDEX`, not read into memory."""
    if not part.rows:
        return np.zeros(0, INDEX)
    return np.memmap(folder / f"{part.stem}.index", INDEX, "r", shape=(part.rows,))


def index_pieces(part: Part, folder: Path) -> Iterator[np.ndarray]:
    """What `index` gives, a few thousand rows at a time, each of them read into memory."""
    with open(folder / f"{part.stem}.index", "rb") as file:
        while len(piece := np.fromfile(file, INDEX, _PIECE)):
            yield piece


def write(part: Part, found: Iterable[Row], tally: Tally, folder: Path, history: History | None = None) -> Part:
    """Writes a part's files; `found` are its rows, and `tally` counts while they are made. `history`, if it is of one,
    is closed then. Raises what `found` raises, and `OSError`."""
    began, used = time.monotonic(), cpu_s()
    classes = Counter[str]()
    path = folder / part.stem
    written = [Path(f"{path}{extension}.{os.getpid()}.tmp") for extension in (".jsonl.zst", ".index", ".json")]
    try:
        with ExitStack() as files:
            files.enter_context(seldom_collected())
            packed = files.enter_context(open(written[0], "wb"))
            text = files.enter_context(zstandard.ZstdCompressor(LEVEL).stream_writer(packed, closefd=False))
            numbers = files.enter_context(open(written[1], "wb"))
            for row in found:
                text.write(rows.to_json(row).encode() + b"\n")
                numbers.write(_entry(row).tobytes())
                classes[row_class(row)] += 1
        if history:
            history.close()  # so that the seconds of its processes count
        part = replace(
            part,
            commits=tally.seen,
            skipped=history.skipped if history else 0,
            rows=classes.total(),
            rejected=dict(sorted(tally.rejected.items())),
            cpu_s=round(cpu_s() - used, 3),
            seconds=round(time.monotonic() - began, 3),
        )
        written[2].write_text(json.dumps(asdict(part)), encoding="utf-8")
        for file, extension in zip(written, (".jsonl.zst", ".index", ".json"), strict=True):
            os.replace(file, f"{path}{extension}")
    finally:
        for file in written:
            file.unlink(missing_ok=True)
    return part


def _left(part: Part, folder: Path) -> Part | None:
    """The part as an earlier run left it."""
    path = folder / part.stem
    try:
        said = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        found = Part(**{**said, "licences": tuple(said["licences"]), "again": True})
        whole = os.path.getsize(f"{path}.index") == found.rows * INDEX.itemsize
        return found if whole and os.path.exists(f"{path}.jsonl.zst") else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _entry(row: Row) -> np.ndarray:
    return np.array((row.origin.time, int(row.id, 16), duplicates.sketch(pairs.gist(row))), INDEX)


def row_class(row: Row) -> str:
    """What manifests count a row under: an edit row's class, or "fim"."""
    return row.label if isinstance(row, EditRow) else "fim"


def stem_of(name: str, head: str, config: Config) -> str:
    """What the files of a part are called: by its name, and by all that decides its rows."""
    digest = hashlib.sha256("\0".join((name, head, config.mined_digest, edition())).encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:60]}-{digest[:16]}"


@cache
def edition() -> str:
    """A digest of the code that decides the rows: `context` and `mining`, and the libraries whose versions may."""
    root = Path(__file__).parent.parent
    libraries = [_version(library) for library in ("datasketch", "detect-secrets", "ruff", "tree-sitter")]
    digest = hashlib.sha256(repr((__version__, libraries)).encode())
    for file in sorted([*root.glob("mining/**/*.py"), *root.glob("context/**/*.py"), *root.glob("context/**/*.scm")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:  # ruff is for lint pairs alone
        return ""


def cpu_s() -> float:
    """CPU seconds of this process and of its children that ended (on Windows, of this process alone)."""
    return sum(os.times()[:4])

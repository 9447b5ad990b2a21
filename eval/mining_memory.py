"""How much memory mining a long history takes: one is made up with `git fast-import`, mined, and forgotten.

Every commit gives functions of one module or two another body, signature or name; one in ten is a merge, one in five
hundred changes sixty files, and one in five hundred a file of 150 KB, so that nothing a miner keeps stays small by
itself. All stages run in a process of their own, linters off; git's processes are its children, so that the peaks of
both are told apart. Made-up code is no measure of speed: filters and duplicates meet something else in real histories.
"""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from foretype.context.machine import peak_mib
from foretype.mining import crew, pipeline
from foretype.mining.config import Config
from foretype.mining.sources import sources
from foretype.model.progress import silent

_FILES = 400
_FUNCTIONS = 12  # of one file
_LARGE_FILE_LINES = 4_000
_SELDOM = 500  # commits from one of many files, or of a large one, to the next
_WORDS = (
    *("account", "batch", "cache", "delta", "edge", "field", "group", "header", "index"),
    *("job", "key", "line", "module", "node", "order", "page", "query", "row"),
)
_LICENCE = """MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files, to deal in it without restriction, subject to the following: the above copyright notice and this
permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
"""


class HistoryError(Exception):
    """The history could not be made or mined. The message says why."""


def measure(commits: int, seed: int = 7) -> dict[str, Any]:
    """Figures of mining a history of so many commits, in MiB and seconds. Raises `HistoryError`."""
    with tempfile.TemporaryDirectory(prefix="foretype-mining-") as folder:
        repository = Path(folder) / "history.git"
        _make(repository, commits, seed)
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_mine, args=(sender, repository, Path(folder) / "rows"))
        process.start()
        sender.close()
        try:
            figures: dict[str, Any] = receiver.recv()
        except EOFError as error:
            raise HistoryError("the process that mined it died: of too little memory?") from error
        finally:
            process.join()
    if figures["problem"]:
        raise HistoryError(figures["problem"])
    return figures


def _make(repository: Path, commits: int, seed: int) -> None:
    try:
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(repository)], check=True)
        command = ["git", "--git-dir", str(repository), "fast-import", "--quiet"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.writelines(history(commits, seed))
        if process.returncode:
            raise HistoryError("git fast-import failed")
    except (OSError, subprocess.CalledProcessError) as error:
        raise HistoryError(f"no repository can be made with git: {error}") from error


def _mine(sender: Any, repository: Path, out: Path) -> None:
    began = time.monotonic()
    config = Config.load(options={"lint": False})
    said = pipeline.run(sources([f"history={repository}"]), config, out, partial(crew.locally, count=1), silent)
    (one,) = said["repositories"]
    sender.send(
        {
            "commits": said["commits"],
            "rows": said["rows"],
            "problem": one["problem"] or one["refused"],
            "peak_rss_mib": round(peak_mib()),
            "git_peak_rss_mib": round(peak_mib(children=1) - peak_mib()),
            "cpu_s": said["cpu_s"],
            "seconds": round(time.monotonic() - began, 1),
        }
    )


def history(commits: int, seed: int) -> Iterator[bytes]:
    """The stream for `git fast-import` (git-fast-import(1)) of a history of so many commits; the same for a seed."""
    rng = random.Random(seed)
    modules = [[_function(rng) for _ in range(_FUNCTIONS)] for _ in range(_FILES)]
    table = [_entry(rng) for _ in range(_LARGE_FILE_LINES)]
    for number in range(1, commits + 1):
        changed = rng.sample(range(_FILES), 60 if number % _SELDOM == 0 else rng.randint(1, 2))
        files = {}
        for index in range(_FILES) if number == 1 else changed:
            at = rng.randrange(_FUNCTIONS)
            modules[index][at] = _function(rng)
            files[f"package/{_WORDS[index % len(_WORDS)]}_{index}.py"] = "\n\n".join(modules[index])
        if number % _SELDOM in (1, _SELDOM // 2):
            table[rng.randrange(len(table))] = _entry(rng)
            files["package/large.py"] = "".join(table)
        if number == 1:
            files["LICENSE"] = _LICENCE
        word = rng.choice(_WORDS)
        yield from _commit(number, f"Let the {word} of {rng.choice(_WORDS)} {number} be told apart", files)


def _commit(number: int, message: str, files: dict[str, str]) -> Iterator[bytes]:
    yield (
        f"commit refs/heads/main\nmark :{number}\n"
        f"author Ann Ode <ann@example.org> {1_000_000_000 + 600 * number} +0000\n"
        f"committer Ann Ode <ann@example.org> {1_000_000_000 + 600 * number} +0000\n"
        f"data {len(message)}\n{message}\n"
    ).encode()
    if number > 1:
        yield f"from :{number - 1}\n".encode()
    if number > 10 and number % 10 == 0:
        yield f"merge :{number - 5}\n".encode()
    for path, text in files.items():
        data = text.encode()
        yield b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)


def _function(rng: random.Random) -> str:
    name, other, third = (rng.choice(_WORDS) for _ in range(3))
    lines = [f"def {name}_{other}_{rng.randrange(1000)}({other}, {third}_count=None):"]
    lines += [f'    """The {third} of each {other}, {rng.randrange(10_000)} at most."""'] if rng.random() < 0.3 else []
    for _ in range(rng.randint(2, 5)):
        to, how, what = (rng.choice(_WORDS) for _ in range(3))
        lines.append(f"    {to}_{rng.randrange(100)} = {other}.{how}({what!r}, {third}_count)")
    return "\n".join([*lines, f"    return {rng.choice(_WORDS)}({other}, {rng.randrange(100_000)})", ""])


def _entry(rng: random.Random) -> str:
    word = rng.choice(_WORDS)
    return f"{word.upper()}_{rng.randrange(10**6)} = make_{word}({rng.choice(_WORDS)}, {rng.choice(_WORDS)})\n"

"""Kills `foretype COMMAND` at random moments, again and again, and has what is left looked at after each.

Half of the moments are right before or right after a change of a file (opened to write, renamed, deleted), which the
process itself counts by an audit hook; the others are so long after one, and hit what libraries write, too. They are
drawn from equal parts of an uninterrupted run, from its first change on: to kill a start-up tells nothing. As changes
are what is counted, a machine that is busy with other things moves no moment far.

Commands run in processes forked from one that has imported what they need, where the system can fork, as a run of a
tiny model is much shorter than its imports. Servers are started whole: `python killing.py KIND NUMBER FOLDER WORD ...`.
"""

from __future__ import annotations

import bisect
import multiprocessing
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Literal

import psutil

# Of each kind of process; the full count is 50.
KILLS = int(os.environ.get("FORETYPE_KILLS", "4"))

PRELOADED = ["foretype.cli", "foretype.context.command", "foretype.mining.command", "foretype.model.build"]
_MARK = "FORETYPE_VICTIM"  # in the environment of a process and its children
_CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "sqlite3.connect": 1, "shutil.rmtree": 1}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_ORPHANS_S = 30.0  # for the children of who was killed to end

Kind = Literal["before", "after", "clock", "never"]
Property = Callable[[str, object], None]  # pytest's `record_property`


@dataclass(frozen=True)
class Moment:
    """When to die: before or after a change, of which the first has the number 1, or `seconds` after it, but before the
    next one."""

    kind: Kind
    number: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class End:
    """How a run ended. Where it was not killed there are its exit status, and the times of the changes that it made and
    of its end, in seconds. `said` is what it wrote to its terminal."""

    killed: bool
    said: str
    status: int = 0
    times: Sequence[float] = ()


@dataclass(frozen=True)
class Victim:
    """`foretype WORDS`, which writes into `folder` (its output, its cache) with `environment` added to this one's."""

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]

    def run(self, moment: Moment = Moment("never")) -> End:
        """Runs it, and all that it has started, to the end. An orphan that does not end fails the test."""
        mark = uuid.uuid4().hex
        said = self.folder.with_name(f"{self.folder.name}.said")
        environment = {**os.environ, **self.environment, _MARK: mark}
        context = _context()
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_act, args=(list(self.words), str(self.folder), moment, environment, str(said), there)
        )
        process.start()
        there.close()
        done: tuple[int, list[float]] | None = None
        try:
            done = here.recv()
            if done is None:  # the change has come, and now the clock runs
                if not here.poll(moment.seconds):
                    process.kill()
                done = here.recv()
        except EOFError:
            pass  # dead
        process.join()
        _wait_for_children(mark)
        told = said.read_text("utf-8", "replace")
        assert done or process.exitcode == -getattr(signal, "SIGKILL", -1), told
        return End(False, told, *done) if done else End(True, told)

    def kill_often(
        self, check: Callable[[], None], whole: Callable[[End], None], again: Callable[[], None], seed: int
    ) -> int:
        """Kills it `KILLS` times. `check` looks at what each left, the next goes on with that; `whole` looks at what
        one left that came to its end, and `again` then puts things as they were. The number of kills."""
        draw = random.Random(seed)
        length = self.run()
        whole(length)
        again()
        killed = 0
        for moment in moments(draw, length, KILLS):
            for _ in range(5):  # one that goes on from a kill may be done sooner
                end = self.run(moment)
                if end.killed:
                    killed += 1
                    check()
                    break
                whole(end)
                again()
        whole(self.run())
        return killed


def count(record: Property, who: str, kills: int) -> None:
    """Takes down how often something was killed, which has to be as often as was asked for."""
    record("row", f"killed: {who}")
    record("tried", kills)
    assert kills == KILLS


def moments(draw: random.Random, length: End, count: int) -> Iterator[Moment]:
    """So many moments of a run, one of each of as many equal parts of it, mixed."""
    first, *_, last = length.times
    kinds: list[Kind] = ["before", "clock", "after", "clock"]
    for at, part in enumerate(draw.sample(range(count), count)):
        share, kind = (part + draw.random()) / count, kinds[at % len(kinds)]
        if kind == "clock":
            time_of = first + share * (last - first)
            number = bisect.bisect(length.times, time_of, hi=len(length.times) - 1)
            yield Moment(kind, number, time_of - length.times[number - 1])
        else:
            yield Moment(kind, 1 + int(share * (len(length.times) - 1)))


class Changes:
    """An audit hook: takes down the changes in a folder, and dies at one of them. `tell` hears of each."""

    def __init__(self, folder: str, moment: Moment, tell: Callable[[int], None]) -> None:
        self.times: list[float] = []
        self._folder, self._moment, self._tell = os.path.abspath(folder), moment, tell

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        paths = _CHANGES.get(event) or (event == "open" and isinstance(args[2], int) and bool(args[2] & _WRITING))
        if not paths or not any(self._inside(path) for path in args[: int(paths)]):
            return
        self.times.append(time.monotonic())
        number = len(self.times)
        self._tell(number)
        match self._moment.kind:
            case "before" if number == self._moment.number:
                _die()
            case "after" if number == self._moment.number:
                sys.setprofile(_die_behind)
            case "clock" if number > self._moment.number:
                _die()

    def _inside(self, path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return os.path.abspath(os.fsdecode(path)).startswith(self._folder)


def _die_behind(frame: FrameType, event: str, arg: object) -> None:
    """Dies at the first thing that happens behind the hook: the end of the call that it was told of."""
    if frame.f_code.co_filename != __file__:
        _die()


def _die() -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # the other one ends Windows' processes as hard


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _act(words: list[str], folder: str, moment: Moment, environment: dict[str, str], said: str, heard: Any) -> None:
    """The life of a victim: tells of its first change, and of its end."""
    sys.modules["__main__"] = ModuleType("__main__")  # its children need nothing of the tests' program
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)

    def tell(number: int) -> None:
        if moment.kind == "clock" and number == moment.number:
            heard.send(None)

    changes = Changes(folder, moment, tell)
    sys.addaudithook(changes)
    from foretype.cli import main

    status = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    heard.send((status, [*changes.times, time.monotonic()]))


def _wait_for_children(mark: str) -> None:
    """Of who was killed: they end by themselves, as nobody is there any more to tell them."""
    end = time.monotonic() + _ORPHANS_S
    while left := [process for process in psutil.process_iter() if _of(process, mark)]:
        assert time.monotonic() < end, f"still there: {[process.cmdline() for process in left]}"
        time.sleep(0.02)


def _of(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def serve(kind: Kind, number: int, folder: str, words: Sequence[str]) -> int:
    """A whole process that dies at a change, and tells of each on its standard error."""
    from foretype.cli import main

    def tell(number: int) -> None:
        sys.stderr.write(f"change {number}\n")
        sys.stderr.flush()

    sys.addaudithook(Changes(folder, Moment(kind, number), tell))
    return main(list(words))


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]))  # type: ignore[arg-type]

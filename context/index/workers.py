"""Work done in child processes, several pieces at once, by children that may die of it.

For parsers: they hold the interpreter lock, so threads would not help, and are written in C, so a piece can take its
process along. Children are started anew, not forked (other threads may hold locks), and end when their parent does.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

Pipe = Any  # a `Connection`, or on Windows a `PipeConnection`

MOST = 8  # children; each takes some 60 MiB


def each(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], children: int
) -> Iterator[tuple[Piece, Result | None]]:
    """Each piece with `work(piece)`, in the order in which they are done; None for a piece that its child died of.

    `work` is a function of a module, that raises nothing; pieces and results travel pickled. `pieces` is drawn from as
    children are free.
    """
    source = iter(pieces)
    crew = _Crew(work)
    busy: dict[Pipe, Piece] = {}
    try:
        for _ in range(children):
            if (piece := next(source, None)) is not None:
                busy[crew.hire(piece)] = piece
        while busy:
            for ready in wait(list[Any](busy)):
                pipe: Pipe = ready
                piece = busy.pop(pipe)
                try:
                    result = pipe.recv()
                except (EOFError, OSError):
                    result = None
                following = next(source, None)
                if following is not None:
                    busy[crew.send(pipe, following)] = following
                yield piece, result
    finally:
        crew.dismiss()


class Helper:
    """One child that stays for the next piece, until it has been idle for `idle_s` seconds.

    `work` is a function of a module, from bytes to bytes, that raises nothing. Any thread may call.
    """

    def __init__(self, work: Callable[[bytes], bytes], idle_s: float = 60.0, longest_s: float = 30.0) -> None:
        self._work, self._idle_s, self._longest_s = work, idle_s, longest_s
        self._lock = threading.Lock()
        self._child: BaseProcess | None = None
        self._pipe: Pipe = None
        self._rest: threading.Timer | None = None

    @property
    def running(self) -> bool:
        """Whether there is a child now."""
        return self._child is not None and self._child.is_alive()

    def ask(self, piece: bytes) -> bytes | None:
        """What `work` makes of the piece; None if the child died of it, took `longest_s` seconds, or cannot be started.

        Other threads go on meanwhile: waiting holds no lock of the interpreter.
        """
        with self._lock:
            if self._rest:
                self._rest.cancel()
            try:
                if not self.running:
                    self._end()
                    self._child, self._pipe = _start(_serve_bytes, self._work)
                self._pipe.send_bytes(piece)
                answer = self._pipe.recv_bytes() if self._pipe.poll(self._longest_s) else None
            except (EOFError, OSError):
                answer = None
            if answer is None:
                self._end()
            else:
                self._rest = threading.Timer(self._idle_s, self.close)
                self._rest.daemon = True
                self._rest.start()
            return answer

    def close(self) -> None:
        """Ends the child; the next piece starts another."""
        with self._lock:
            if self._rest:
                self._rest.cancel()
            self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._pipe.close()
            child.kill()  # it holds nothing that could be lost
            child.join()


class _Crew:
    """The children and the pipes to them."""

    def __init__(self, work: Callable) -> None:
        self._work = work
        self._children: dict[Pipe, BaseProcess] = {}

    def hire(self, piece: object) -> Pipe:
        """A new child, which has got the piece."""
        child, here = _start(_serve, self._work)
        self._children[here] = child
        here.send(piece)
        return here

    def send(self, pipe: Pipe, piece: object) -> Pipe:
        """The pipe to the child that has got the piece: another one, if the child of `pipe` is dead."""
        try:
            pipe.send(piece)
            return pipe
        except OSError:
            return self.hire(piece)

    def dismiss(self) -> None:
        for pipe, child in self._children.items():
            pipe.close()
            child.join(timeout=1)
            if child.is_alive():
                child.kill()
                child.join()


def _start(serve: Callable[[Pipe, Callable], None], work: Callable) -> tuple[BaseProcess, Pipe]:
    """A new child, and the pipe to it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=serve, args=(there, work), daemon=True)
    child.start()
    there.close()  # so that the end of the child is the end of the pipe
    return child, here


def _serve(pipe: Pipe, work: Callable) -> None:
    _end_with_parent()
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _serve_bytes(pipe: Pipe, work: Callable[[bytes], bytes]) -> None:
    """As `_serve`, of bytes as they are: nothing is unpickled on either side."""
    _end_with_parent()
    try:
        while True:
            pipe.send_bytes(work(pipe.recv_bytes()))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _end_with_parent() -> None:
    """Ends this process with its parent, even in the middle of a piece, which may take minutes."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="foretype-parent", daemon=True).start()

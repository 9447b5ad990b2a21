"""Work done in child processes, several pieces at once, by children that may die of it.

For parsers: they hold the interpreter lock, so threads would not help, and are written in C, so a piece can take its
process along. Children are started anew, not forked (other threads may hold locks), and end when their parent does.
"""

from __future__ import annotations

import multiprocessing
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


class _Crew:
    """The children and the pipes to them."""

    def __init__(self, work: Callable) -> None:
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._children: dict[Pipe, BaseProcess] = {}

    def hire(self, piece: object) -> Pipe:
        """A new child, which has got the piece."""
        here, there = self._context.Pipe()
        child = self._context.Process(target=_serve, args=(there, self._work), daemon=True)
        child.start()
        there.close()  # so that the end of the child is the end of the pipe
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


def _serve(pipe: Pipe, work: Callable) -> None:
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        return

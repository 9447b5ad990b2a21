"""The extra context of llama.vim: pieces of the buffers a developer came through, at most 16, queued until idle time.

The rules are those of llama.vim, revision a1c8e6e40cb45df59b78add5b65d575386832465 (2026-01-31), `autoload/llama.vim`,
with its default configuration, but the code is not. Lines are without terminators. Its random choices come from a
generator of ours, so that a run can be repeated. Knows neither events nor servers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

CHUNKS = 16  # ring_n_chunks
QUEUED = 16
CHUNK_LINES = 64  # ring_chunk_size
REPEATED = 0.9  # of two chunks with more in common than this one is enough
DISTORTING = 0.5  # a chunk this similar to the place of a request makes the model repeat what is there

_WORD = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True)
class Chunk:
    filename: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


class Ring:
    """`chunks` go with every request, oldest first; what was picked since waits in `queued`."""

    def __init__(self, rng: random.Random) -> None:
        self.chunks: list[Chunk] = []
        self.queued: list[Chunk] = []
        self._rng = rng

    def pick(self, filename: str, lines: Sequence[str], evict: bool) -> None:
        """Queues `lines`, or half a chunk at a random place where they fill one.

        Of similar chunks the newest stays with `evict` and the oldest without.
        """
        if len(lines) < 3:
            return
        picked = tuple(lines) if len(lines) + 1 < CHUNK_LINES else self.half(lines)
        if any(chunk.lines == picked for chunk in self.chunks + self.queued):
            return
        for chunks in self.queued, self.chunks:
            for chunk in reversed(chunks.copy()):
                if similarity(chunk.lines, picked) > REPEATED:
                    if not evict:
                        return
                    chunks.remove(chunk)
        if len(self.queued) == QUEUED:
            del self.queued[0]
        self.queued.append(Chunk(filename, picked))

    def evict_near(self, lines: Sequence[str]) -> None:
        """Drops the chunks that are much like half a chunk of `lines`, which are those around a request's cursor."""
        here = self.half(lines)
        self.chunks = [chunk for chunk in self.chunks if similarity(chunk.lines, here) <= DISTORTING]

    def advance(self) -> bool:
        """Moves the oldest queued chunk into the ring; whether there was one."""
        if not self.queued:
            return False
        if len(self.chunks) == CHUNKS:
            del self.chunks[0]
        self.chunks.append(self.queued.pop(0))
        return True

    def half(self, lines: Sequence[str]) -> tuple[str, ...]:
        """At most 33 of the lines, at a random place."""
        start = self._rng.randint(0, max(0, len(lines) - CHUNK_LINES // 2))
        return tuple(lines[start : start + CHUNK_LINES // 2 + 1])


def similarity(old: Sequence[str], new: Sequence[str]) -> float:
    """Twice the words of `new` that are in `old`, over the words of both: 0 to 1 where each word occurs once."""
    before, after = (_WORD.findall("\n".join(lines)) for lines in (old, new))
    if not before and not after:
        return 1.0
    known = set(before)
    return 2 * sum(word in known for word in after) / (len(before) + len(after))

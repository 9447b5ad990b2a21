"""Similar snippets: windows of the workspace's files that use the words of the lines around the cursor.

A file is cut into windows of 10 to 20 lines, each a set of words: identifiers, and their parts. Likeness is BM25 with
every word counted once (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009): the overlap of the
sets, rare words weighing more, long windows less. The index holds words and places, not text: who searches gives a way
to read, and a window that no longer reads as it was indexed is left out. Any language, no grammar. Does not know which
files may be read, nor which are open or near: the caller says so by `boosts`.
"""

from __future__ import annotations

import math
import re
import sys
import threading
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np

_LEAST_LINES, _MOST_LINES = 10, 20
_WIDEST_CHARS = 4000  # of a window; beyond that it is data, not code
_QUERY_WORDS = 64  # the rarest of them
_SPARE = 4  # windows looked at for each one asked for: some are gone, some are like another
_LIKE = 0.8  # share of words in common that makes two windows the same
_SHOWN = 0.7  # share of lines in the prompt that makes a window no news
# BM25's usual parameters.
_K1, _B = 1.2, 0.75

_WORD = re.compile(r"[^\W\d]\w*")
_LETTERS = re.compile(r"[^\W\d_]+")
# A window does not begin with what ends or goes on with the block above.
_GOES_ON = re.compile(r"\s*(?:[)\]}]|(?:else|elif|except|finally|catch|end)\b)")


@dataclass(frozen=True)
class Snippet:
    """Lines `start` to `stop` (0-based, exclusive) of a file. `score` is about 1 where a window of usual length has all
    the words asked for, times the file's boost."""

    path: str
    start: int
    stop: int
    score: float
    text: str


class SimilarIndex:
    """The windows of a workspace's files. May be updated in one thread and searched in another.

    A window has a number; `_postings` hold, for each word, the numbers of the windows that have it, in ascending order.
    Numbers of windows that are gone are given to new ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._postings: dict[str, array[int]] = {}
        self._files: dict[str, array[int]] = {}
        self._words: list[tuple[str, ...]] = []
        self._paths: list[str] = []
        self._starts, self._stops = array("I"), array("I")
        self._digests = array("q")
        self._sizes = array("I")  # words in each window, 0 where its number is free
        self._free: list[int] = []

    def __len__(self) -> int:
        """The number of windows."""
        return len(self._words) - len(self._free)

    def update(self, path: str, lines: Sequence[str]) -> None:
        """Takes a file up, or its new text (lines with their terminators); only windows that changed cost more than
        being looked at."""
        cut = [(start, stop, "".join(lines[start:stop])) for start, stop in windows(lines)]
        with self._lock:
            seen = {self._digests[number] for number in self._files.get(path, ())}
        # Outside of the lock, since it is most of the work.
        words = {hash(text): words_in(text) for _, _, text in cut if hash(text) not in seen}
        with self._lock:
            known: dict[int, list[int]] = {}
            for number in self._files.pop(path, ()):
                known.setdefault(self._digests[number], []).append(number)
            numbers = array("I")
            for start, stop, text in cut:
                digest = hash(text)
                number = known[digest].pop() if known.get(digest) else self._add(words.get(digest) or words_in(text))
                self._paths[number], self._digests[number] = path, digest
                self._starts[number], self._stops[number] = start, stop
                numbers.append(number)
            for number in chain.from_iterable(known.values()):
                self._discard(number)
            if numbers:
                self._files[path] = numbers

    def remove(self, path: str) -> None:
        """Forgets a file, if it is known."""
        with self._lock:
            for number in self._files.pop(path, ()):
                self._discard(number)

    def search(
        self,
        around: Sequence[str],
        read: Callable[[str], Sequence[str] | None],
        *,
        limit: int,
        shown: Mapping[str, Iterable[tuple[int, int]]] | None = None,
        prompt: str = "",
        boosts: Mapping[str, float] | None = None,
    ) -> tuple[Snippet, ...]:
        """The windows most like the lines `around` the cursor, the best first, no two of them much the same.

        `read` gives a file's present lines, None if it cannot be read now. `shown` are the line ranges (0-based, end
        exclusive) of files that the prompt has already, `prompt` its text: a window that overlaps the first, or has
        most of its lines in the second, is left out. `boosts` are factors on the scores of some files, 0 to leave one
        out.
        """
        with self._lock:
            found = self._ranked(words_in("\n".join(around)), limit * _SPARE, boosts or {})
        in_prompt = {line.strip() for line in prompt.splitlines()}
        texts: dict[str, Sequence[str]] = {}
        chosen: list[tuple[Snippet, frozenset[str]]] = []
        for candidate in found:
            if len(chosen) == limit:
                break
            path, start, stop = candidate.path, candidate.start, candidate.stop
            if any(start < end and begin < stop for begin, end in (shown or {}).get(path, ())):
                continue
            if path not in texts:
                texts[path] = read(path) or ()
            lines, words = texts[path][start:stop], frozenset(candidate.words)
            text = "".join(lines)
            if hash(text) != candidate.digest or _share(lines, in_prompt) >= _SHOWN:
                continue
            if all(len(words & other) < _LIKE * len(words | other) for _, other in chosen):
                chosen.append((Snippet(path, start, stop, candidate.score, text), words))
        return tuple(snippet for snippet, _ in chosen)

    def _ranked(self, words: Iterable[str], most: int, boosts: Mapping[str, float]) -> list[_Found]:
        weighed = sorted(((self._weight(word), word) for word in words if word in self._postings), reverse=True)
        weighed = weighed[:_QUERY_WORDS]
        if not weighed or most <= 0:
            return []
        scores = np.zeros(len(self._words), np.float32)
        for weight, word in weighed:
            scores[_view(self._postings[word])] += weight
        sizes = _view(self._sizes)
        length = sizes / (sizes.sum() / max(1, len(self)))
        scores *= (1 + _K1) / (1 + _K1 * (1 - _B + _B * length)) / sum(weight for weight, _ in weighed)
        for path, factor in boosts.items():
            if path in self._files:
                scores[_view(self._files[path])] *= factor
        most = min(most, len(scores))
        best = np.argpartition(scores, -most)[-most:].tolist()
        found = [
            _Found(
                self._paths[number],
                self._starts[number],
                self._stops[number],
                float(scores[number]),
                self._digests[number],
                self._words[number],
            )
            for number in best
            if scores[number] > 0
        ]
        return sorted(found, key=lambda one: (-one.score, one.path, one.start))

    def _weight(self, word: str) -> float:
        """Inverse document frequency, in BM25's form that is never negative."""
        having = len(self._postings[word])
        return math.log(1 + (len(self) - having + 0.5) / (having + 0.5))

    def _add(self, words: set[str]) -> int:
        if self._free:
            number = self._free.pop()
        else:
            number = len(self._words)
            self._words.append(())
            self._paths.append("")
            for column in (self._starts, self._stops, self._digests, self._sizes):
                column.append(0)
        self._words[number], self._sizes[number] = tuple(words), len(words)
        for word in words:
            posting = self._postings.get(word)
            if posting is None:
                self._postings[word] = array("I", (number,))
            elif posting[-1] < number:
                posting.append(number)
            else:
                posting.insert(bisect_left(posting, number), number)
        return number

    def _discard(self, number: int) -> None:
        for word in self._words[number]:
            posting = self._postings[word]
            if len(posting) == 1:
                del self._postings[word]
            else:
                del posting[bisect_left(posting, number)]
        self._words[number], self._paths[number], self._sizes[number] = (), "", 0
        self._free.append(number)


@dataclass(frozen=True)
class _Found:
    path: str
    start: int
    stop: int
    score: float
    digest: int
    words: tuple[str, ...]


def words_in(text: str) -> set[str]:
    """The identifiers and keywords of a text, and the parts of those that have several, in lower case."""
    return set(chain.from_iterable(map(_parts, set(_WORD.findall(text)))))


@lru_cache(maxsize=1 << 15)
def _parts(word: str) -> tuple[str, ...]:
    # Interned: the same word of two windows is one object.
    parts = [sys.intern(hump.lower()) for run in _LETTERS.findall(word) for hump in _humps(run) if len(hump) > 1]
    return (sys.intern(word), *parts) if len(parts) > 1 else tuple(parts)


def _humps(run: str) -> list[str]:
    """The words of letters written in camel case: `HTTPServer` has two."""
    cuts = [
        at
        for at in range(1, len(run))
        if run[at].isupper() and (not run[at - 1].isupper() or run[at + 1 : at + 2].islower())
    ]
    return [run[start:stop] for start, stop in pairwise((0, *cuts, len(run)))]


def windows(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where to cut a file: line ranges (0-based, end exclusive) that do not overlap and are of 10 to 20 lines, the last
    may be of fewer. A window begins where a block does, at the least indented line, best behind a blank one."""
    depths = [len(line) - len(rest) if (rest := line.lstrip()) else -1 for line in lines]
    found, start, count = [], 0, len(lines)
    while start < count:
        if depths[start] < 0:
            start += 1
            continue
        stop = count
        if count - start > _MOST_LINES:
            places = range(start + _LEAST_LINES, start + _MOST_LINES + 1)
            begins = [line for line in places if depths[line] >= 0 and not _GOES_ON.match(lines[line])]
            stop = min(begins, key=lambda at: (depths[at], depths[at - 1] >= 0, -at), default=places[-1])
        end = stop
        while depths[end - 1] < 0:
            end -= 1
        if sum(map(len, lines[start:end])) <= _WIDEST_CHARS:
            found.append((start, end))
        start = stop
    return found


def _share(lines: Sequence[str], known: set[str]) -> float:
    """The share of a window's lines, blank ones apart, that are known."""
    bare = [line.strip() for line in lines if line.strip()]
    return sum(line in known for line in bare) / max(1, len(bare))


def _view(numbers: array[int]) -> np.ndarray:
    """The numbers without a copy; the array cannot grow while this is held."""
    return np.frombuffer(numbers, dtype=np.uintc)

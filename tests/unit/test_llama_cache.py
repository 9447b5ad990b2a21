"""What llama.vim keeps: answers along what is typed, and chunks of the files that were open."""

import random

from foretype.eval.llama.cache import CACHED, LOOK_BACK, Answer, Cache
from foretype.eval.llama.fim import window
from foretype.eval.llama.ring import Ring, similarity

# The cache.


def test_an_answer_is_remembered_along_what_is_typed() -> None:
    cache = Cache()
    cache.put(window(["x = "], 0, 4).states, Answer("foo(1)", 3))
    assert cache.recall(window(["x = fo"], 0, 6)) == Answer("o(1)", 2)
    assert cache.recall(window(["x = fa"], 0, 6)) is None
    assert cache.recall(window(["x = foo(1)"], 0, 10)) is None
    assert cache.recall(window(["x = fo", "b"], 0, 6)) is None


def test_it_looks_back_over_128_characters() -> None:
    cache = Cache()
    cache.put(window(["x"], 0, 1).states, Answer("y" * 200, 50))
    for typed, found in (LOOK_BACK, True), (LOOK_BACK + 1, False):
        assert bool(cache.recall(window(["x" + typed * "y"], 0, 1 + typed))) == found


def test_an_answer_is_found_when_the_window_has_moved_down() -> None:
    cache = Cache()
    lines = [str(n) for n in range(300)]
    cache.put(window(lines[:257], 256, 0).states, Answer("a", 1))
    for top, found in (1, True), (3, True), (4, False):
        assert bool(cache.recall(window(lines[top:257], 256 - top, 0))) == found


def test_the_least_recently_used_answer_goes_first() -> None:
    cache = Cache()
    for number in range(CACHED):
        cache.put([str(number)], Answer("a", 1))
    cache.get("0")
    cache.put(["new"], Answer("a", 1))
    assert cache.get("0") and cache.get("new") and not cache.get("1")


# The ring.


def lines_of(word: str, count: int) -> list[str]:
    return [f"{word}{n} {word}" for n in range(count)]


def test_a_chunk_is_half_of_64_lines_at_a_random_place() -> None:
    ring = Ring(random.Random(1))
    ring.pick("a.py", lines_of("a", 65), evict=True)
    (chunk,) = ring.queued
    first = lines_of("a", 65).index(chunk.lines[0])
    assert list(chunk.lines) == lines_of("a", 65)[first : first + 33]
    ring.pick("b.py", lines_of("b", 62), evict=True)
    assert len(ring.queued[-1].lines) == 62
    ring.pick("c.py", ["c", "c"], evict=True)
    assert len(ring.queued) == 2


def test_similar_chunks_are_evicted_or_keep_a_new_one_out() -> None:
    ring = Ring(random.Random(1))
    for word in "ab":
        ring.pick(word, lines_of(word, 30), evict=True)
    ring.advance()
    ring.pick("new", [*lines_of("a", 30), "more"], evict=False)
    assert [chunk.filename for chunk in ring.chunks + ring.queued] == ["a", "b"]
    ring.pick("new", [*lines_of("a", 30), "more"], evict=True)
    assert [chunk.filename for chunk in ring.chunks + ring.queued] == ["b", "new"]
    ring.pick("same", ring.queued[0].lines, evict=True)
    assert [chunk.filename for chunk in ring.queued] == ["b", "new"]


def test_16_chunks_wait_and_16_are_sent() -> None:
    ring = Ring(random.Random(1))
    for start in 0, 20:
        for number in range(start, start + 20):
            ring.pick(str(number), lines_of(f"w{number}x", 5), evict=True)
        while ring.advance():
            pass
    assert [chunk.filename for chunk in ring.chunks] == [str(number) for number in range(24, 40)]


def test_chunks_like_the_cursors_surroundings_are_dropped() -> None:
    ring = Ring(random.Random(1))
    for word in "ab":
        ring.pick(word, lines_of(word, 30), evict=True)
        ring.advance()
    ring.evict_near(lines_of("b", 20))
    assert [chunk.filename for chunk in ring.chunks] == ["a"]


def test_similarity() -> None:
    assert similarity(["a b"], ["b c"]) == 0.5
    assert similarity(["a"], ["a"]) == similarity([""], [""]) == 1.0

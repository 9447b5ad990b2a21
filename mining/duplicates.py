"""Near-duplicates across all repositories: forks, vendored copies and the same fix in many places count once.

MinHash over runs of five tokens, compared where locality-sensitive hashing says so (`datasketch` makes the sketches and
chooses the bands). M. Allamanis, "The adverse effects of code duplication in machine learning models of code" (2019);
shingles and threshold as in BigCode's de-duplication. Sketches are made where the rows are, by many processes; to
compare them is the one global step, in an order that does not depend on who mined what. The bands are sorted, not kept
in datasketch's tables: these take 2.5 KB a row, this 8 bytes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache

import numpy as np
from datasketch import MinHash, MinHashLSH

SIZE = 128  # 32-bit numbers in a sketch
_SHINGLE = 5  # tokens
_TOKEN = re.compile(r"\w+|[^\w\s]")


def sketch(text: str) -> np.ndarray:
    """A text's sketch: `SIZE` numbers of type uint32, equal in as many places as two texts share of their shingles."""
    tokens = _TOKEN.findall(text)
    last = max(1, len(tokens) - _SHINGLE + 1)
    shingles = {" ".join(tokens[at : at + _SHINGLE]).encode(errors="replace") for at in range(last)}
    found = _empty().copy()
    found.update_batch(sorted(shingles))
    return np.asarray(found.hashvalues, np.uint32)


def near_duplicates(sketches: np.ndarray, order: np.ndarray, similarity: float) -> np.ndarray:
    """For each row of `sketches` (N x `SIZE`) the earlier one that it is like, -1 where it is to be kept.

    `order` are the rows' numbers, first to last; `similarity` is Jaccard's, 0..1. A row is like a kept one only.
    """
    found = np.full(len(sketches), -1, np.int64)
    shared = _shared_bands(sketches, similarity)
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in order:
        buckets = shared.get(int(row))
        if buckets is None:
            continue
        likely = sorted({other for bucket in buckets for other in kept[bucket]})
        # what hashing finds is likely, so the sketches decide
        alike = (sketches[likely] == sketches[row]).mean(axis=1) >= similarity if likely else np.zeros(0, bool)
        if alike.any():
            found[row] = likely[int(alike.argmax())]
        else:
            for bucket in buckets:
                kept[bucket].append(int(row))
    return found


def _shared_bands(sketches: np.ndarray, similarity: float) -> dict[int, list[tuple[int, int]]]:
    """By row its bands that other rows have too, each as (number of the band, first row that has it)."""
    tables = MinHashLSH(threshold=similarity, num_perm=SIZE)
    # odd factors, so that rows with one band have one sum, and others hardly ever
    factors = np.random.default_rng(1).integers(0, 2**63, tables.r, np.uint64) * np.uint64(2) + np.uint64(1)
    shared: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for band in range(tables.b):
        part = sketches[:, band * tables.r : (band + 1) * tables.r]
        sums = (part * factors).sum(axis=1, dtype=np.uint64)
        _, first, inverse, counts = np.unique(sums, return_index=True, return_inverse=True, return_counts=True)
        for row in np.flatnonzero(counts[inverse] > 1):
            shared[int(row)].append((band, int(first[inverse[row]])))
    return shared


@cache
def _empty() -> MinHash:
    return MinHash(num_perm=SIZE, seed=1)

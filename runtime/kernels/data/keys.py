"""Seeded choices that are the same bits everywhere, and exact shares.

Each row gets a 64-bit key from (verb, seed, row number). Choices sort keys, so they know nothing of
batches, workers or the version of a random number library.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256

import numpy as np


def row_keys(verb: str, seed: int, rows: int) -> np.ndarray:
    """One uint64 per row: the splitmix64 sequence that starts at a hash of the verb and the seed."""
    start = int.from_bytes(sha256(f"{verb}:{seed}".encode()).digest()[:8], "little")
    with np.errstate(over="ignore"):
        x = np.uint64(start) + np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def permutation(verb: str, seed: int, rows: int) -> np.ndarray:
    """Row numbers in seeded order."""
    return np.argsort(row_keys(verb, seed, rows), kind="stable")


def choose(verb: str, seed: int, rows: int, count: int) -> np.ndarray:
    """`count` row numbers out of `rows`, in their own order."""
    return np.sort(permutation(verb, seed, rows)[:count])


def exact_share(share: float) -> Fraction:
    """The decimal that was written: 0.1 is one tenth."""
    return Fraction(repr(share))


def apportion(rows: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers in proportion to `shares` that add up to `rows`, by largest remainder; the earlier
    share wins a tie.
    """
    total = sum(shares)
    exact = [rows * share / total for share in shares]
    counts = [int(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: rows - sum(counts)]:
        counts[i] += 1
    return counts

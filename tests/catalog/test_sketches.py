"""Sketches are linear, the same for all models, and near enough to rank blocks by."""

import numpy as np
import pytest

from fusec.runtime.analysis.inner import CHUNK
from fusec.runtime.analysis.sketch import WIDTH, sketch_chunks


def sketch(values: np.ndarray, elements: int = 1 << 20, first: int = 0) -> np.ndarray:
    chunks = values.astype(np.float32).reshape(-1, CHUNK)
    return sketch_chunks(chunks, elements, first, np.empty(chunks.shape)).sum(axis=0)


def test_the_sketch_of_a_difference_is_the_difference_of_the_sketches():
    rng = np.random.default_rng(0)
    base = rng.integers(-1000, 1000, 8 * CHUNK)
    change = rng.integers(-10, 10, 8 * CHUNK)
    assert sketch(base + change).tolist() == (sketch(base) + sketch(change)).tolist()


def test_sketches_of_parts_add_up():
    values = np.random.default_rng(0).integers(-1000, 1000, 8 * CHUNK)
    parts = [sketch(values[k * CHUNK : (k + 1) * CHUNK], first=k) for k in range(8)]
    assert np.sum(parts, axis=0).tolist() == sketch(values).tolist()


KINDS = {
    "noise": lambda rng, n: rng.standard_normal(n),
    "one column of a matrix": lambda rng, n: np.where(np.arange(n) % 1024 == 7, rng.standard_normal(n), 0),
    "equal rows": lambda rng, n: np.tile(rng.standard_normal(1024), n // 1024),
    "a constant": lambda rng, n: np.full(n, rng.standard_normal()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_estimated_within_the_stated_spread(kind):
    rng = np.random.default_rng(1)
    ratios = []
    for trial in range(200):
        values = KINDS[kind](rng, 16 * CHUNK).astype(np.float32)
        # Another number of elements is another choice of signs and buckets.
        z = sketch(values, elements=1 << 20 | trial)
        ratios.append(np.sum(z * z) / np.sum(values.astype(float) ** 2))
    # The signs within a chunk are always the same, so a pattern that repeats keeps its own small error.
    assert np.mean(ratios) == pytest.approx(1, abs=np.sqrt(2 / WIDTH))
    assert np.std(ratios) < 2 * np.sqrt(2 / WIDTH)


def test_inner_products_are_estimated():
    rng = np.random.default_rng(2)
    a = rng.standard_normal(16 * CHUNK)
    b = -a + 0.1 * rng.standard_normal(16 * CHUNK)
    x, y = sketch(a), sketch(b)
    assert x @ y / np.sqrt((x @ x) * (y @ y)) < -0.9

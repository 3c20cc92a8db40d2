"""What a certificate promises holds for the weights themselves: the merges are carried out and compared."""

from __future__ import annotations

import numpy as np
import pytest

from fusec.compiler.reads.bounds import at_most
from fusec.compiler.reads.ladder import plan_reads
from fusec.compiler.reads.request import Additive, Request, WholeBlocks

SEEDS = range(100)
SHARES = (0.0, 0.2, 0.6)


def merged_elements(access, columns):
    """(K, n) bool: which elements of each expert take part."""
    return np.repeat(access.sources()[columns.name] >= 0, columns.block, axis=1)[:, : columns.elements]


def distance(one, other):
    return np.sqrt(sum(((one[name] - other[name]) ** 2).sum() for name in one))


def additive(few, coefficients, access):
    return {
        columns.name: coefficients @ (few.changes[columns.name] * merged_elements(access, columns))
        for columns in few.columns
    }


def agreeing(changes, weights, *, normalize):
    """ties without trimming, as its formula says, over (K, n)."""
    votes = weights[:, None] * changes
    elected = np.where(votes.sum(axis=0) >= 0, 1.0, -1.0)
    agrees = np.sign(votes) == elected
    total = (weights[:, None] * agrees).sum(axis=0)
    return (votes * agrees).sum(axis=0) / (np.where(total == 0, 1, total) if normalize else 1)


@pytest.mark.parametrize("gram", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_sums(family, seed, gram):
    few = family(seed, gram=gram, experts=4)
    coefficients = np.random.default_rng(seed).normal(size=4)
    ladder = plan_reads(few.columns, Request(Additive(lambda _: coefficients)))
    full = few.update(lambda _: coefficients)
    for share in SHARES:
        access = ladder.at(int(share * (ladder.total + 40_000)))
        certificate, measured = access.certificate, distance(full, additive(few, coefficients, access))
        assert measured <= certificate.error * (1 + 1e-9)
        assert certificate.tight == gram
        if gram:
            assert certificate.error == pytest.approx(measured, rel=1e-6, abs=1e-7 * certificate.update)
            assert certificate.update == pytest.approx(distance(full, {k: 0 * v for k, v in full.items()}))


@pytest.mark.parametrize("seed", SEEDS)
def test_masked_sums(family, seed):
    """dare with any mask, the worst included: the factor 1/p is in the coefficients."""
    few, rng, keep = family(seed), np.random.default_rng(seed), 0.4
    weights = rng.normal(size=3)
    ladder = plan_reads(few.columns, Request(Additive(lambda _: weights / keep, masked=True), page=1))
    for share in SHARES:
        access = ladder.at(int(share * ladder.total))
        left = 0.0
        for columns in few.columns:
            masks = rng.random((3, columns.elements)) < rng.choice([keep, 1.0])
            gone = few.changes[columns.name] * masks * ~merged_elements(access, columns) / keep
            left += ((weights @ gone) ** 2).sum()
        assert np.sqrt(left) <= access.certificate.error * (1 + 1e-9)
        assert not access.certificate.tight


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_elections(family, seed, normalize):
    few = family(seed)
    weights = np.random.default_rng(seed).random(3)
    bound2 = at_most("root", [0.8] * 3) if normalize else at_most("sum", 0.8 * weights)
    ladder = plan_reads(few.columns, Request(WholeBlocks(lambda _: weights, bound2), page=1))
    for share in SHARES:
        access = ladder.at(int(share * ladder.total))
        left = 0.0
        for columns in few.columns:
            full = 0.8 * agreeing(few.changes[columns.name], weights, normalize=normalize)
            merged = merged_elements(access, columns)
            live = np.repeat(~columns.zero, columns.block, axis=1)[:, : columns.elements]
            assert (merged == live * merged.any(axis=0)).all()
            left += (full[~merged.any(axis=0)] ** 2).sum()
        assert np.sqrt(left) <= access.certificate.error * (1 + 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cast_to_the_output(family, seed):
    """Both merges are rounded to float16; what that adds is told apart."""
    few, rng = family(seed), np.random.default_rng(seed)
    coefficients = rng.normal(size=3)
    base = {columns.name: rng.normal(size=columns.elements) for columns in few.columns}
    norm = float(np.sqrt(sum((weights**2).sum() for weights in base.values())))
    request = Request(Additive(lambda _: coefficients), page=1, base_norm=norm, precision=11)
    access = (ladder := plan_reads(few.columns, request)).at(ladder.total // 2)
    stored = [
        {name: (base[name] + update[name]).astype(np.float16).astype(np.float64) for name in base}
        for update in (few.update(lambda _: coefficients), additive(few, coefficients, access))
    ]
    assert distance(*stored) <= access.certificate.error + access.certificate.cast


def test_changes_in_line_reach_the_bound_of_norms(columns):
    change = np.outer([1.0, 2.0, 3.0], np.ones(8))
    ladder = plan_reads([columns("w", change, block=8, gram=False)], Request(Additive(lambda _: np.ones(3))))
    assert ladder.at(0).certificate.error == pytest.approx(np.sqrt(8) * 6)


def test_estimates_promise_nothing(columns):
    change = np.ones((2, 8)) * [[1], [2]]
    estimated = columns("w", change, block=8, exact=False)
    certificate = plan_reads([estimated], Request(Additive(lambda _: np.ones(2)))).at(0).certificate
    assert certificate.error is None and certificate.of_update == 1


def test_an_error_is_told_relative_to_the_weights_too(columns):
    change = np.ones((1, 4))
    request = Request(Additive(lambda _: np.ones(1)), base_norm=100.0)
    certificate = plan_reads([columns("w", change, block=4)], request).at(0).certificate
    assert certificate.of_update == 1
    assert certificate.of_weights == pytest.approx(2 / 98)

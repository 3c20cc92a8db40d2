"""A plan reads what matters most: as well as trying everything would, in whatever order things come."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.compiler.reads.bounds import at_most
from fusec.compiler.reads.ladder import plan_reads
from fusec.compiler.reads.request import Additive, Request, WholeBlocks
from fusec.compiler.reads.subsets import best_sets


def constant(*coefficients):
    return lambda _: np.array(coefficients, np.float64)


def distinct(columns, coefficients, b):
    """The owners of what may be read at a block, and each one's summed coefficient."""
    weight = {}
    for k in range(len(coefficients)):
        if not columns.zero[k, b]:
            owner = int(columns.owner[k, b])
            weight[owner] = weight.get(owner, 0.0) + coefficients[k]
    return weight


def options(columns, changes, coefficients, b, *, gram):
    """(bytes, squared error) of every set of reads at a block."""
    piece = slice(b * columns.block, (b + 1) * columns.block)
    parts = {k: w * changes[k, piece] for k, w in distinct(columns, coefficients, b).items()}
    size = int(columns.sizes[b])
    for kept in itertools.chain.from_iterable(
        itertools.combinations(parts, r) for r in range(len(parts) + 1)
    ):
        left = [parts[k] for k in parts if k not in kept]
        error = (sum(left, np.zeros(size)) ** 2).sum() if gram else sum((part**2).sum() for part in left)
        yield sum(size * int(columns.itemsize[k]) for k in kept), error


def least(groups, budget):
    """The least total error of one option per group within a budget: every sum of costs is tried."""
    best = {0: 0.0}
    for group in groups:
        longer = {}
        for spent, cost in itertools.product(best, range(len(group))):
            total, error = spent + group[cost][0], best[spent] + group[cost][1]
            if total <= budget and error < longer.get(total, np.inf):
                longer[total] = error
        best = longer
    return min(best.values())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    gram=st.booleans(),
    itemsize=st.sampled_from([(2, 2, 2), (2, 4, 2), (1, 2, 4)]),
    share=st.floats(0, 1),
)
def test_no_plan_of_its_budget_is_better(family, seed, gram, itemsize, share):
    few = family(seed, gram=gram, itemsize=itemsize)
    coefficients = np.random.default_rng(seed).normal(size=3)
    ladder = plan_reads(few.columns, Request(Additive(constant(*coefficients)), page=1))
    access = ladder.at(int(share * ladder.total))
    groups = [
        list(options(columns, few.changes[columns.name], coefficients, b, gram=gram))
        for columns in few.columns
        for b in range(columns.blocks)
    ]
    best, norm2 = least(groups, access.budget), access.certificate.update**2
    assert access.certificate.expected**2 == pytest.approx(best, rel=1e-9, abs=1e-9 * norm2)
    assert access.slack == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_whole_blocks_are_chosen_as_well_as_possible(family, seed, share):
    few = family(seed, itemsize=(2, 4, 2), tensors=3)
    weights = np.array([0.5, 0.2, 0.3])
    bound2 = at_most("sum", 0.7 * weights)
    ladder = plan_reads(few.columns, Request(WholeBlocks(constant(*weights), bound2), page=1))
    access = ladder.at(int(share * ladder.total))
    groups = []
    for columns in few.columns:
        for b, error in enumerate(bound2(columns, weights)):
            cost = sum(int(columns.sizes[b] * columns.itemsize[k]) for k in distinct(columns, weights, b))
            groups.append([(0, error), (cost, 0.0)])
    assert access.certificate.expected**2 == pytest.approx(least(groups, access.budget), rel=1e-9)


@pytest.mark.parametrize("opposed", [False, True])
def test_of_many_experts_nearly_the_best_set_of_each_size_is_found(opposed):
    """Beyond twelve items not all sets are weighed. Six pairs that all but cancel are the hard case."""
    rng = np.random.default_rng(0)
    changes = rng.normal(size=(20, 13, 32)) * rng.lognormal(0, 1, (20, 13, 1))
    if opposed:
        changes[:, :6] = -changes[:, 6:12] + 0.1 * rng.normal(size=(20, 6, 32))
    omitted = np.array(list(itertools.product([0.0, 1.0], repeat=13)))
    errors = ((omitted @ changes) ** 2).sum(axis=2)
    found = best_sets(changes @ changes.transpose(0, 2, 1), np.full(13, 2))
    for size in range(14):
        best = errors[:, omitted.sum(axis=1) >= 13 - size].min(axis=1)
        reached = np.where(found.cost <= 2 * size, found.left, np.inf).min(axis=1)
        assert reached.sum() - best.sum() <= 0.005 * errors[:, -1].sum()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_of_many_experts_a_plan_is_never_worse_than_none(family, seed, share):
    many = family(seed, experts=14, tensors=1, blocks=2, plain=True)
    coefficients = np.random.default_rng(seed).normal(size=14)
    ladder = plan_reads(many.columns, Request(Additive(constant(*coefficients)), page=1))
    certificate = ladder.at(int(share * ladder.total)).certificate
    assert certificate.expected <= ladder.at(0).certificate.expected


@pytest.mark.parametrize("experts", [3, 14])
def test_experts_that_cancel_are_read_together_or_not_at_all(columns, experts):
    rng = np.random.default_rng(0)
    change = rng.normal(size=(experts, 8))
    change[1] = -change[0] + 1e-3 * rng.normal(size=8)
    change[:2] *= 100
    ladder = plan_reads(
        [columns("w", change, block=8)], Request(Additive(lambda _: np.ones(experts)), page=1)
    )
    errors = []
    for budget in range(0, ladder.total + 1, 8):
        access = ladder.at(budget)
        read = access.reads()["w"]
        assert read[0] == read[1]
        errors.append(access.certificate.error)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("gram", [False, True])
def test_the_energy_of_a_few_blocks_is_found(columns, gram):
    rng = np.random.default_rng(1)
    change = rng.normal(size=(4, 100 * 64)) * 1e-3
    for pair in rng.choice(400, 20, replace=False):
        change[pair % 4, pair // 4 * 64 : pair // 4 * 64 + 64] *= 1e3
    ladder = plan_reads(
        [columns("w", change, block=64, gram=gram)], Request(Additive(constant(1, 1, 1, 1)), page=1)
    )
    access = ladder.at(ladder.total // 20)
    kept = np.repeat(access.reads()["w"], 64, axis=1)
    assert (change * kept).sum(axis=0) @ change.sum(axis=0) >= 0.99 * (change.sum(axis=0) ** 2).sum()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), gram=st.booleans(), share=st.floats(0, 1))
def test_no_tensor_starves_by_its_place(family, seed, gram, share):
    few = family(seed, gram=gram, tensors=4)
    request = Request(Additive(constant(1, -0.5, 2)))
    one, other = plan_reads(few.columns, request), plan_reads(few.columns[::-1], request)
    assert one.at(int(share * one.total)) == other.at(int(share * one.total))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), gram=st.booleans())
def test_more_bytes_never_leave_more_undone(family, seed, gram):
    few = family(seed, gram=gram)
    ladder = plan_reads(few.columns, Request(Additive(constant(1, 0.5, -1)), page=1))
    expected = [ladder.at(budget).certificate.expected for budget in range(0, ladder.total + 2, 7)]
    assert expected == sorted(expected, reverse=True)
    assert ladder.at(ladder.total).certificate.error == 0


def test_where_lengths_do_not_mix_a_larger_budget_only_adds(columns):
    change = np.random.default_rng(2).normal(size=(3, 80)) ** 3
    ladder = plan_reads(
        [columns("w", change, block=8, gram=False)], Request(Additive(constant(1, 1, 1)), page=1)
    )
    before = ladder.at(0).reads()["w"]
    for budget in range(16, ladder.total + 1, 16):
        now = ladder.at(budget).reads()["w"]
        assert (before <= now).all() and now.sum() == before.sum() + 1
        before = now


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), gram=st.booleans(), share=st.floats(0, 1.2))
def test_an_error_is_reached_with_the_fewest_bytes(family, seed, gram, share):
    few = family(seed, gram=gram)
    ladder = plan_reads(few.columns, Request(Additive(constant(1, 0.5, -1)), page=1))
    access = ladder.for_error(share)
    assert access.certificate.of_update <= share or access.logical == ladder.total
    if gram and access.logical:
        assert ladder.at(access.logical - 1).certificate.of_update > share


def test_a_clipped_change_costs_at_most_what_it_may_move(columns):
    change = np.concatenate([np.full(8, 10.0), np.full(8, 0.01)])[None]
    bound2 = at_most("sum", [1.0], clip=0.5)(columns("w", change, block=8), np.ones(1))
    assert bound2 == pytest.approx([8 * 0.25, 8 * 0.0001])


def test_an_expert_of_weight_0_is_not_read(columns):
    change = np.random.default_rng(3).normal(size=(2, 8))
    for method in (Additive(constant(1, 0)), WholeBlocks(constant(1, 0), at_most("root", [1.0, 1.0]))):
        ladder = plan_reads([columns("w", change, block=8)], Request(method))
        assert ladder.at(1 << 20).reads()["w"].tolist() == [[True], [False]]


@pytest.mark.parametrize("gram", [False, True])
def test_where_all_may_stay_undone_nothing_is_read(family, gram):
    few = family(5, gram=gram, plain=True)
    ladder = plan_reads(few.columns, Request(Additive(constant(1, 1, 1))))
    assert ladder.for_error(1.0).physical == 0
    assert ladder.for_error(0.0).logical == ladder.total

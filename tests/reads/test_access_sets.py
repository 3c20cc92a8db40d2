"""What is read, in bytes: edges of budgets, equal blocks, files and pages, storage and identity."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.compiler.reads.access import decode, encode
from fusec.compiler.reads.divide import divide
from fusec.compiler.reads.ladder import BudgetTooSmall, plan_reads
from fusec.compiler.reads.request import Additive, Request


def request(*coefficients, **options):
    return Request(Additive(lambda _: np.array(coefficients, np.float64)), **options)


def test_budgets_at_the_edges_of_a_block(columns):
    change = np.random.default_rng(0).normal(size=(2, 24))
    ladder = plan_reads([columns("w", change, block=8)], request(1, 1, page=1))
    read = [ladder.at(budget).physical for budget in (0, 1, 15, 16, 17, 96, 10**12)]
    assert read == [0, 0, 0, 16, 16, 96, 96]
    assert list(ladder.at(0).ranges(0)) == []


@pytest.mark.parametrize("budget", [-1, 1.5, float("nan"), True, None])
def test_a_budget_is_a_count_of_bytes(columns, budget):
    ladder = plan_reads([columns("w", np.ones((1, 8)), block=8)], request(1))
    with pytest.raises(ValueError, match="whole number of bytes"):
        ladder.at(budget)


@pytest.mark.parametrize("share", [-0.1, float("nan")])
def test_an_error_is_no_less_than_nothing(columns, share):
    ladder = plan_reads([columns("w", np.ones((1, 8)), block=8)], request(1))
    with pytest.raises(ValueError, match="a share of the update"):
        ladder.for_error(share)


def test_experts_that_change_nothing_cost_nothing(columns):
    ladder = plan_reads([columns("w", np.zeros((2, 20)), block=8)], request(1, 1))
    assert ladder.total == 0
    assert ladder.at(0).certificate.of_update == 0
    assert ladder.for_error(0.0).physical == 0


def test_scalars_and_empty_tensors(columns):
    scalar, empty = columns("a", np.ones((2, 1)), block=8), columns("b", np.ones((2, 0)), block=8)
    access = plan_reads([empty, scalar], request(1, 1, page=1)).at(100)
    assert access.physical == 2
    assert access.sources()["a"].tolist() == [[0], [0]]


def test_a_norm_that_is_not_finite_is_refused(columns):
    change = np.ones((1, 8))
    change[0, 3] = np.nan
    with pytest.raises(ValueError, match="`w` has no finite norm"):
        plan_reads([columns("w", change, block=8)], request(1))


def test_equal_blocks_are_read_once_for_all(columns):
    change = np.random.default_rng(0).normal(size=(3, 16))
    change[2] = change[0]
    ladder = plan_reads([columns("w", change, block=8)], request(1, 1, 1, page=1))
    assert ladder.total == 2 * 32
    access = ladder.at(ladder.total)
    assert access.sources()["w"].tolist() == [[0, 0], [1, 1], [0, 0]]
    assert access.reads()["w"].tolist() == [[True] * 2, [True] * 2, [False] * 2]


def test_equal_blocks_whose_coefficients_cancel_are_not_read(columns):
    change = np.tile(np.random.default_rng(0).normal(size=16), (3, 1))
    ladder = plan_reads([columns("w", change, block=8)], request(0.1, 0.2, -0.3))
    assert ladder.total == 0
    masked = Request(Additive(lambda _: np.array([0.1, 0.2, -0.3]), masked=True))
    assert plan_reads([columns("w", change, block=8)], masked).total == 32


def test_adapters_are_read_in_any_case_and_paid_for(columns):
    change = np.random.default_rng(0).normal(size=(2, 16))
    ladder = plan_reads([columns("w", change, block=8, adapters=[1])], request(1, 1, page=1))
    assert ladder.fixed == 100
    with pytest.raises(BudgetTooSmall, match="99 bytes is less than the 100 bytes"):
        ladder.at(99)
    access = ladder.at(100)
    assert access.physical == 100
    assert access.sources()["w"].tolist() == [[-1, -1], [1, 1]]
    assert access.certificate.error == pytest.approx(np.linalg.norm(change[0]), rel=1e-6)
    assert not access.reads()["w"].any()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    page=st.sampled_from([1, 16, 64]),
    gap=st.sampled_from([0, 5, 40]),
    gram=st.booleans(),
    share=st.floats(0, 1.5),
)
def test_the_ranges_cover_what_is_read_within_the_budget(family, seed, page, gap, gram, share):
    few = family(seed, gram=gram)
    ladder = plan_reads(few.columns, request(1, -1, 0.5, page=page, gap=gap))
    access = ladder.at(budget := int(share * ladder.total))
    assert access.physical <= budget
    total, reads = 0, access.reads()
    for file in range(3):
        ranges = list(access.ranges(file))
        total += sum(stop - start for start, stop in ranges)
        assert all(start % page == 0 and stop % page == 0 for start, stop in ranges)
        assert all(later[0] - earlier[1] > gap for earlier, later in itertools.pairwise(ranges))
        for columns in few.columns:
            for b in np.flatnonzero(reads[columns.name][file]):
                start = columns.start[file] + b * columns.block * columns.itemsize[file]
                stop = start + columns.sizes[b] * columns.itemsize[file]
                assert any(low <= start and stop <= high for low, high in ranges)
    assert total == access.physical


def test_what_margins_leave_over_is_used(columns):
    """Pages of 4096 bytes hold many of these blocks: a budget of one page reads all that it holds."""
    change = np.random.default_rng(0).normal(size=(1, 4096))
    ladder = plan_reads([columns("w", change, block=64)], request(1))
    assert ladder.total == 8192
    assert ladder.at(4095).physical == 0
    assert ladder.at(4096).physical == 4096


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_a_stored_set_is_the_set(family, seed, share):
    few = family(seed)
    access = (ladder := plan_reads(few.columns, request(1, 2, 3))).at(int(share * ladder.total))
    again = decode(encode(access))
    assert encode(again) == encode(access)
    assert again.digest == access.digest
    for name, sources in access.sources().items():
        assert (again.sources()[name] == sources).all()


def test_the_digest_tells_what_is_merged_not_where_it_lies(columns):
    change = np.random.default_rng(0).normal(size=(2, 40))
    here, there = (columns("w", change, block=8, start=start) for start in (0, 4096))
    one = plan_reads([here], request(1, 1, page=1))
    assert one.at(64).digest == plan_reads([there], request(1, 1, page=1)).at(64).digest
    assert one.at(64).digest == one.at(65).digest
    assert one.at(64).digest != one.at(80).digest
    assert one.at(64).digest != plan_reads([here], request(1, 1.001, page=1)).at(64).digest


def test_twelve_million_bits_take_little_room(columns):
    """A model of 405 billion parameters: a tenth of 12 million pairs, chosen at random."""
    from fusec.compiler.reads.access import pack_merged

    merged = np.random.default_rng(0).random((750_000, 16)) < 0.1
    assert len(pack_merged(merged)) < 1_500_000


DIGEST = """
import numpy as np
from fusec.compiler.reads.columns import TensorColumns
from fusec.compiler.reads.ladder import plan_reads
from fusec.compiler.reads.request import Additive, Request
rng = np.random.default_rng(0)
def tensor(name):
    change = rng.normal(size=(6, 40, 300)).transpose(1, 0, 2)
    gram = change @ change.transpose(0, 2, 1)
    own = np.arange(6, dtype=np.int32)[:, None].repeat(40, 1)
    norm2 = np.diagonal(gram, axis1=1, axis2=2).T
    return TensorColumns(name, 40 * 300, 300, np.arange(6), np.zeros(6, int), np.full(6, 2),
        np.zeros((6, 40), bool), own, norm2, gram, True, np.zeros(6, int))
tensors = [tensor(name) for name in ("a", "b", "c")]
ladder = plan_reads({t.name: t for t in tensors}.values(), Request(Additive(lambda _: np.full(6, 0.3))))
print([ladder.at(b).digest for b in (100_000, 200_000)], ladder.for_error(0.5).digest)
"""


def test_the_digest_is_the_same_in_every_process():
    seen = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env=os.environ
            | {"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": str(threads)}
            | {"OPENBLAS_NUM_THREADS": str(threads), "LC_ALL": locale},
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads, locale in [
            (0, 1, "C"),
            (1, 2, "C.UTF-8"),
            (2, 4, "C"),
            (3, 1, "POSIX"),
            (4, 8, "C"),
        ]
    }
    assert len(seen) == 1


def test_one_budget_goes_where_it_helps_most(columns):
    """Half of the first update lies in one block; the second is a thousand times larger and even."""
    spread = np.ones((1, 80)) * 1000
    peaked = np.ones((1, 80))
    peaked[0, :8] = 3
    ladders = [plan_reads([columns("w", change, block=8)], request(1, page=1)) for change in (peaked, spread)]
    assert divide(ladders, 16) == [16, 0]
    assert sum(divide(ladders, 100)) == 100
    assert divide(ladders, 16 + 160) == [16, 160]
    assert divide(ladders, 10**6) == [ladder.total for ladder in ladders]


def test_what_is_read_in_a_gap_is_used(columns):
    change = np.ones((1, 24))
    change[0, 8:16] = 0.1
    known = columns("w", change, block=8)
    assert plan_reads([known], request(1, page=1)).at(47).reads()["w"].tolist() == [[True, False, True]]
    access = plan_reads([known], request(1, page=1, gap=16)).at(48)
    assert access.reads()["w"].all()
    assert access.logical == access.physical == 48

"""tsv_merge, iso_c and iso_cts: the definition with plain singular value decompositions, and edges."""

import itertools

import pytest
import torch
from world import planned

from fusec.runtime.kernel import Method

SHAPES = {"tall.weight": (12, 7), "wide.weight": (6, 15), "conv.weight": (3, 2, 4), "norm.weight": (9,)}


def svd(matrix):
    return torch.linalg.svd(matrix, full_matrices=False)


def orthogonal(matrix):
    u, _, vt = svd(matrix)
    return u @ vt


def tsv_merge(deltas):
    count = max(1, min(deltas[0].shape) // len(deltas))
    parts = [svd(d) for d in deltas]
    left = orthogonal(torch.cat([u[:, :count] for u, _, _ in parts], 1))
    right = orthogonal(torch.cat([vt[:count] for _, _, vt in parts], 0))
    return left @ torch.diag(torch.cat([s[:count] for _, s, _ in parts])) @ right


def iso_c(deltas):
    u, s, vt = svd(sum(deltas))
    return s.mean() * u @ vt


def iso_cts(deltas, common):
    q = min(deltas[0].shape)
    own = round((q - int(q * common)) / len(deltas))
    shared = q - own * len(deltas)
    u, s, vt = svd(sum(deltas))
    lefts, values, rights = [u[:, :shared]], [s[:shared]], [vt[:shared]]
    for d in deltas:
        up, sp, vtp = svd(d - lefts[0] @ lefts[0].T @ d)
        lefts.append(up[:, :own])
        values.append(sp[:own])
        rights.append(vtp[:own])
    return torch.cat(values).mean() * orthogonal(torch.cat(lefts, 1)) @ orthogonal(torch.cat(rights, 0))


CASES = {
    "tsv_merge": (tsv_merge, {}),
    "iso_c": (iso_c, {}),
    "iso_cts": (iso_cts, {"common": 0.5}),
}


def family(count, dtype=torch.float32):
    g = torch.Generator().manual_seed(0)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    models = [base]
    for _ in range(count):
        models.append({n: t + torch.randn(t.shape, generator=g) / 8 for n, t in base.items()})
    return [{n: t.to(dtype) for n, t in model.items()} for model in models]


@pytest.fixture
def run(write_model, run_merge):
    """Merges single tensors `w`."""
    names = (f"w{i:03}" for i in itertools.count())

    def call(name, args, base, experts):
        base, *others = (write_model(next(names), {"w": t}) for t in (base, *experts))
        return run_merge(base, others, Method(name, {"scale": 1.0, **args})).tensors["w"]

    return call


@pytest.mark.parametrize("case", CASES)
def test_equals_the_definition(write_model, run_merge, case):
    define, args = CASES[case]
    models = family(2)
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(models))
    got = run_merge(base, experts, Method(case, {"scale": 0.6, **args})).tensors
    for name in SHAPES:
        b, *xs = (m[name].double() for m in models)
        deltas = [x - b for x in xs]
        update = define(deltas, **args) if b.dim() == 2 else sum(deltas) / len(deltas)
        torch.testing.assert_close(got[name].double(), b + 0.6 * update, atol=2e-6, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_bytes_do_not_depend_on_how_the_work_is_cut(assert_cut_is_free, case):
    args = {"scale": 1.0, **CASES[case][1]}
    assert_cut_is_free(family(3, torch.bfloat16), Method(case, args))


@pytest.mark.parametrize("case", CASES)
def test_reads_as_planned(assert_reads_as_planned, case):
    assert_reads_as_planned(family(3, torch.bfloat16), Method(case, {"scale": 1.0, **CASES[case][1]}))


def test_torch_has_its_threads_back(run):
    before = torch.get_num_threads()
    run("iso_c", {}, torch.zeros(3, 3), [torch.eye(3)])
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("case", CASES)
def test_experts_equal_to_the_base_leave_its_bits(run, case):
    base = torch.tensor([[-0.0, 0.0, 1.5], [-2.0, 3.0, 0.1]])
    got = run(case, CASES[case][1], base, [base, base])
    assert torch.equal(got.view(torch.int32), base.view(torch.int32))


LOW_RANK = torch.outer(torch.arange(1.0, 7.0), torch.tensor([1.0, -2, 0.5, 3]))


def test_one_direction_stays_that_direction(run):
    """What a change of rank one does not span has arbitrary singular vectors, and none may come in."""
    torch.testing.assert_close(run("tsv_merge", {}, 0 * LOW_RANK, [LOW_RANK]), LOW_RANK)
    torch.testing.assert_close(run("iso_c", {}, 0 * LOW_RANK, [LOW_RANK]), LOW_RANK)
    torch.testing.assert_close(run("iso_cts", {"common": 0.5}, 0 * LOW_RANK, [LOW_RANK]), LOW_RANK)


def test_tsv_of_experts_that_agree_is_what_they_agree_on(run):
    torch.testing.assert_close(run("tsv_merge", {}, 0 * LOW_RANK, [LOW_RANK, LOW_RANK]), LOW_RANK)


def test_tsv_of_changes_in_orthogonal_directions_is_their_sum(run):
    x, y = torch.zeros(2, 4, 6).unbind()
    x[0, 1], y[2, 3] = 3, -2
    torch.testing.assert_close(run("tsv_merge", {}, 0 * x, [x, y]), x + y)


def test_a_merge_by_singular_vectors_is_seeded_and_others_are_exact():
    text = """edition 2026
model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
model plain = merge {{ base: base, experts: [math], method: average }}
model flat = merge {{ base: plain, experts: [math], method: {} }}
output flat to "./out/flat"
"""
    for case in CASES:
        graph = planned(text.format(case))[1].graph()
        assert (graph.nodes["plain"].grade, graph.nodes["flat"].grade) == ("exact", "seeded")

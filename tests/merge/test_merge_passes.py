"""How often experts are read for the thresholds of a large tensor whose regions change unlike each other."""

import math

import pytest
import torch

from fusec.runtime.kernel import Method
from fusec.runtime.kernels.merge import selection

COUNT, SIZE, REGION = 3, 1 << 22, 300_000

TIES = Method("ties", {"density": 0.2, "rescale": "none", "scale": 1.0, "normalize": True})
BREADCRUMBS = Method(
    "breadcrumbs", {"density": 0.4, "gamma": 0.05, "rescale": "none", "scale": 1.0, "normalize": False}
)


@pytest.fixture
def models(write_model):
    """A base and experts whose changes are larger in some regions than in others, threefold and more."""
    g = torch.Generator().manual_seed(0)
    base = torch.randn(SIZE, generator=g) * 0.02
    models = [base]
    for _ in range(COUNT):
        scales = torch.exp(torch.randn(math.ceil(SIZE / REGION), generator=g) / 2)
        change = torch.randn(SIZE, generator=g) * scales.repeat_interleave(REGION)[:SIZE]
        models.append(base + 1e-3 * change)
    return [write_model(f"m{i}", {"w": values.bfloat16()}) for i, values in enumerate(models)]


def passes(merged):
    """Over all experts and over the base."""
    of_experts = merged.meter.expert_bytes
    return of_experts / (2 * SIZE * COUNT), (merged.meter.bytes_read - of_experts) / (2 * SIZE)


@pytest.mark.parametrize("method", [TIES, BREADCRUMBS], ids=lambda method: method.name)
def test_one_pass_prepares_an_uneven_tensor_and_one_merges_it(models, run_merge, method):
    base, *experts = models
    assert passes(run_merge(base, experts, method)) == (2, 2)


def test_experts_that_do_not_fit_together_cost_passes_over_the_base(models, run_merge, monkeypatch):
    base, *experts = models
    want = run_merge(base, experts, TIES)
    monkeypatch.setattr(selection, "CANDIDATES", 1 << 20)
    got = run_merge(base, experts, TIES, threads=2)
    of_experts, of_base = passes(got)
    assert of_experts == 2
    assert 3.9 < of_base < 4
    assert got.files == want.files


def test_brackets_that_do_not_fit_at_all_cost_one_pass_of_counting(models, run_merge, monkeypatch):
    base, *experts = models
    want = run_merge(base, experts, TIES)
    monkeypatch.setattr(selection, "CANDIDATES", 1 << 17)
    got = run_merge(base, experts, TIES, threads=2)
    assert passes(got)[0] == 3
    assert got.files == want.files

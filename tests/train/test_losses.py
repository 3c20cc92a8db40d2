"""The loss against a loop over positions."""

import pytest
import torch

from fusec.runtime.kernels.train.encode import IGNORED
from fusec.runtime.kernels.train.loss import next_token, token_losses

LABELS = torch.tensor([[IGNORED, IGNORED, 3, 0, 4], [IGNORED, 1, 2, IGNORED, IGNORED]])


@pytest.fixture
def logits():
    return torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))


def reference(logits):
    """{(row, position): loss} of the tokens that count, in fp64."""
    return {
        (row, at): -logits[row, at].double().log_softmax(-1)[LABELS[row, at + 1]].item()
        for row in range(2)
        for at in range(4)
        if LABELS[row, at + 1] != IGNORED
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_token_is_judged_by_the_logits_before_it_in_fp32(logits, dtype):
    losses = token_losses(logits.to(dtype), LABELS)
    expected = reference(logits.to(dtype))
    assert losses.dtype == torch.float32
    for (row, at), loss in expected.items():
        assert losses[row, at].item() == pytest.approx(loss, abs=1e-6)
    assert int((losses != 0).sum()) == len(expected) == 5


def test_what_does_not_count_gets_no_gradient(logits):
    logits.requires_grad_()
    loss = next_token(logits, LABELS, 5)
    loss.backward()
    assert loss.item() == pytest.approx(sum(reference(logits).values()) / 5)
    learned = {(row, at) for row in range(2) for at in range(5) if logits.grad[row, at].any()}
    assert learned == reference(logits).keys()

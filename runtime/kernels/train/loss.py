"""Losses as pure functions on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from fusec.runtime.kernels.train.encode import IGNORED


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each next token in fp32, [batch, time - 1]; 0 where the label is IGNORED.

    `logits` [batch, time, vocab] in any float dtype, `labels` int64 [batch, time]. The logits at t are
    judged by the label at t + 1.
    """
    ahead = logits[:, :-1].float().flatten(0, 1)
    target = labels[:, 1:].flatten()
    losses = torch.nn.functional.cross_entropy(ahead, target, ignore_index=IGNORED, reduction="none")
    return losses.view(labels.shape[0], -1)


def next_token(logits: Tensor, labels: Tensor, count: Tensor | int) -> Tensor:
    """Sum of `token_losses` over `count`, the tokens that count in the whole step.

    Dividing by the step's count, not by the batch's mean, weighs every token alike under accumulation.
    """
    return token_losses(logits, labels).sum() / count

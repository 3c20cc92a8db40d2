"""Experts that read their data: which of it, in which batches, and what their files call their weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from fusec.runtime.determinism import deterministic
from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.train.encode import encode, layout
from fusec.runtime.kernels.train.folder import context_of, load, quiet
from fusec.runtime.kernels.train.save import payload
from fusec.runtime.kernels.train.sequences import Sequences, collate, spool, truncate


class Reading(NamedTuple):
    """A model on the device, with the sequences that it is to read."""

    net: PreTrainedModel
    sequences: Sequences

    def batch(self, numbers: list[int]) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs of the model and labels, int64 (batch, longest), on its device."""
        parts = collate([self.sequences[n] for n in numbers])
        inputs = {key: part.to(self.net.device) for key, part in parts.items()}
        labels = inputs.pop("labels")
        return inputs, labels


@contextmanager
def reading(
    expert: Artifact, data: Artifact, *, examples: int, context: int | None, folder: Path, ctx: Context
) -> Iterator[Reading]:
    """An expert in fp32 and the first `examples` rows of its data, each cut to `context` tokens.

    Sequences are spooled to `folder`, which has to be empty of them. Counts the bytes of the expert.
    """
    with quiet(), deterministic(0, ctx.threads):
        net, tokenizer = load(expert)
        net.eval()
        torch.nn.Module.to(net, ctx.device)
        rows = islice(encode(data, tokenizer, layout(data)), examples)
        cut: list[int] = []
        sequences = spool(truncate(rows, context_of(net, context), cut), folder)
        if cut:
            ctx.emit("truncated", rows=len(cut), first=cut[0], context=context_of(net, context))
        size = payload(expert.path)
        ctx.meter.bytes_read += size
        ctx.meter.expert_bytes += size
        yield Reading(net, sequences)


def place_of(name: str, net: PreTrainedModel, state: Collection[str]) -> str | None:
    """What `net` calls tensor `name` of its files; None where it has no use for it or holds it otherwise."""
    # Old checkpoints name their tensors without the prefix of the body.
    return next((n for n in (name, f"{net.base_model_prefix}.{name}") if n in state), None)


def require_finite(losses: Tensor, row: int, expert: Artifact) -> None:
    """RunError where an expert gives a loss that is not finite."""
    if not torch.isfinite(losses).all():
        raise RunError(
            f"the expert in {expert.path} gives a loss that is not finite on row {row} of its data",
            hint="its weights overflow: look at how it was trained",
        )

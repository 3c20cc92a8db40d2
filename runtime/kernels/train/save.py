"""Trained models into folders, in the weight space they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from transformers import PreTrainedModel

from fusec.runtime.hf_folder import ModelWriter, PlannedTensor
from fusec.runtime.kernel import Artifact

TRAINED: Mapping[str, torch.dtype] = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def save_like(net: PreTrainedModel, base: Artifact, out: Path) -> None:
    """Write `net` to `out` in the weight space of `base`: its tensor names, and its dtypes, rounded once.

    Tensors of the base that the model has no use for are copied, so that both folders still merge.
    """
    stored = dict(_stored(base.path))
    state = net.state_dict()
    # Old checkpoints name their tensors without the prefix of the body.
    places = {
        name: next((n for n in (name, f"{net.base_model_prefix}.{name}") if n in state), None)
        for name in stored
    }
    kept = {state[place].data_ptr() for place in places.values() if place}
    if not all(weight.data_ptr() in kept for weight in net.parameters()):
        # Transformers fuses tensors of some architectures when it loads them; only it can undo that.
        usual = next(dtype for _, dtype, _ in stored.values() if dtype in TRAINED)
        torch.nn.Module.to(net, TRAINED[usual])
        save(net, out)
        return
    planned = [PlannedTensor(name, dtype, shape) for name, (_, dtype, shape) in stored.items()]
    with ModelWriter(out, planned) as writer:
        for name, (shard, dtype, _) in stored.items():
            place = places[name]
            if place is not None and dtype in TRAINED:
                writer.write(name, 0, _raw(state[place].to(TRAINED[dtype])))
            else:
                with safe_open(shard, framework="pt") as file:
                    writer.write(name, 0, _raw(file.get_tensor(name)))


def save(net: PreTrainedModel, out: Path) -> None:
    """Write `net` to `out` as safetensors, with an index beside the shards above 5 GB."""
    net.save_pretrained(out, max_shard_size="5GB")


def payload(folder: Path) -> int:
    """Bytes of all tensors in a model folder, headers left out."""
    size = 0
    for shard in folder.glob("*.safetensors"):
        with shard.open("rb") as file:
            size += shard.stat().st_size - 8 - int.from_bytes(file.read(8), "little")
    return size


def _stored(folder: Path) -> Iterator[tuple[str, tuple[Path, str, tuple[int, ...]]]]:
    """Name, file, dtype and shape of every tensor, from the safetensors headers."""
    for shard in sorted(folder.glob("*.safetensors")):
        with safe_open(shard, framework="pt") as file:
            for name in sorted(file.keys()):
                tensor = file.get_slice(name)
                yield name, (shard, tensor.get_dtype(), tuple(tensor.get_shape()))


def _raw(tensor: torch.Tensor) -> NDArray[np.uint8]:
    return tensor.contiguous().flatten().view(torch.uint8).numpy()

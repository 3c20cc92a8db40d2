"""cast: the tensors of a model in another stored type and in shards of another size, each read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusec.runtime.hf_folder import ModelWriter, copy_companions
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.merge import DTYPES
from fusec.runtime.sources.safetensors_header import read_model_headers
from fusec.runtime.transfer import plan_move, transfer


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Writes `inputs["model"]` into `ctx.out`, its floats as `dtype` (None: as they are).

    `shard_size` is in bytes. RunError for a weight that is not finite or that `dtype` cannot hold.
    """
    model = inputs["model"]
    stored, named = DTYPES[slots["dtype"]] if slots["dtype"] else (None, None)
    try:
        headers = read_model_headers(model.path)
        moves = [
            plan_move(name, headers.path_of(name), info, dtype=stored)
            for name, info in headers.tensors.items()
        ]
        copy_companions(model.path, ctx.out, dtype=named)
        planned = [move.target for move in moves]
        with ModelWriter(ctx.out, planned, shard_bytes=slots["shard_size"]) as writer:
            transfer(moves, writer, ctx)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"casting into {ctx.out} failed: {error.strerror}{where}") from error

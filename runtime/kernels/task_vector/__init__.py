"""task_vector: the difference of two models as a delta folder, streamed tensor by tensor.

Both models are read once. A tied head is left out where the base stores none; tensors other than BF16, F16
and F32 have to be equal and are not part of the delta.

The difference is one float32 subtraction, the same that a merge does inside. So with a delta stored in fp32
`task_arithmetic` and `ties` give the bytes that they give with the model, always. Methods of weights add the
base again: they give the same bytes where the subtraction was exact for every element (two numbers within a
factor of two of each other always are; 16-bit ones far beyond that), and else differ by its rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fusec.runtime.hf_folder import ModelWriter, write_synced
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.merge import DTYPES
from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.engine import stream
from fusec.runtime.kernels.merge.match import Identical, Merge, match_tensors
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile
from fusec.runtime.sources.delta_folder import MANIFEST, DeltaManifest, encode_manifest
from fusec.runtime.sources.safetensors_header import read_model_headers


class Difference:
    """`X - B`, rounded to float32."""

    buffers = 2
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return lambda tile: tile.delta(0, tile.base(0), 1)


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Writes `inputs["model"]` minus `inputs["base"]` into `ctx.out`, stored as `dtype`.

    RunError for models that do not match, and for differences that `dtype` cannot hold.
    """
    model, base = inputs["model"], inputs["base"]
    stored, _ = DTYPES[slots["dtype"]]
    try:
        headers = read_model_headers(model.path)
        jobs = match_tensors(read_model_headers(base.path), [headers], dtype=stored)
        jobs = tuple(replace(job, written=False) if isinstance(job, Identical) else job for job in jobs)
        planned = [job.target for job in jobs if isinstance(job, Merge)]
        if not planned:
            raise RunError(f"{base.path} has no floating tensor, so nothing of it can change")
        manifest = encode_manifest(DeltaManifest(base=base.id, model=model.id))
        write_synced(ctx.out / MANIFEST, manifest)
        with ModelWriter(ctx.out, planned) as writer:
            difference = Difference()
            stream(jobs, lambda name: difference, writer, ctx, what="the change of tensor")
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"the task vector {ctx.out} failed: {error.strerror}{where}") from error

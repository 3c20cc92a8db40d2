"""assemble_moe: the MLPs of dense models as the experts of one, without decoding what stays as it is.

Read and written are the bytes of the tensors that the result has, each once; headers of all models besides.
With a router made from prompts, the base is read once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.layers import NoLayers
from fusec.compiler.moe import ARCHS, Piece, misfit, moe_pieces
from fusec.runtime.hf_folder import ModelWriter, PlannedTensor, copy_companions, read_config
from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.assemble_moe.configuration import moe_config
from fusec.runtime.kernels.assemble_moe.rows import Rows, router_rows
from fusec.runtime.kernels.merge import DTYPES
from fusec.runtime.kernels.merge.codec import STORED, encode
from fusec.runtime.sources.safetensors_header import ModelHeaders, read_model_headers
from fusec.runtime.transfer import Move, plan_move, transfer


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Writes the mixture of `experts` (pairs of Artifact and scale or None) on `base` into `ctx.out`.

    Inputs may have `shared`; slots are `arch`, `router` (a method), `experts_per_token`, `dtype` of all
    floating tensors (None: the base's, tensor by tensor) and `shard_size` in bytes. RunError for models that
    do not compute as experts of this architecture do.
    """
    base: Artifact = inputs["base"]
    experts: list[tuple[Artifact, float | None]] = list(inputs["experts"])
    shared: Artifact | None = inputs.get("shared")
    stored, named = DTYPES[slots["dtype"]] if slots["dtype"] else (None, None)
    models = [artifact for artifact, _ in experts] + ([] if shared is None else [shared])
    try:
        headers = {model.path: read_model_headers(model.path) for model in (base, *models)}
        pieces = _pieces(slots["arch"], headers[base.path], len(experts))
        config = moe_config(
            slots["arch"],
            base.path,
            [model.path for model in models],
            experts=len(experts),
            per_token=slots["experts_per_token"],
            shapes={name: info.shape for name, info in headers[base.path].tensors.items()},
        )
        routers = [piece for piece in pieces if piece.origin == "router"]
        rows = router_rows(slots["router"], base, routers, ctx)
        moves, made = [], []
        for piece in pieces:
            if piece.origin in ("router", "shared_gate"):
                made.append(_planned(piece, headers[base.path], stored))
                continue
            scale = experts[piece.number][1] if piece.origin == "expert" else None
            model = {"base": base, "shared": shared, "expert": experts[piece.number][0]}[piece.origin]
            assert model is not None, "an architecture with a shared expert is given one"
            moves.append(_move(piece, headers[model.path], headers[base.path], stored, scale))
        copy_companions(base.path, ctx.out, dtype=named, config=config)
        planned = sorted((*made, *(move.target for move in moves)), key=lambda tensor: tensor.name)
        with ModelWriter(ctx.out, planned, shard_bytes=slots["shard_size"]) as writer:
            for tensor in made:
                writer.write(tensor.name, 0, _encoded(tensor, rows))
                ctx.meter.bytes_written += tensor.bytes
            transfer(moves, writer, ctx)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"assembling into {ctx.out} failed: {error.strerror}{where}") from error


def _pieces(arch: str, base: ModelHeaders, experts: int) -> tuple[Piece, ...]:
    """The tensors of the result; a head that the base ties to its embedding is left out."""
    tied = read_config(base.folder).get("tie_word_embeddings") is True
    shapes = {
        name: info.shape for name, info in base.tensors.items() if not (tied and name == "lm_head.weight")
    }
    try:
        detail = misfit(ARCHS[arch], shapes)
    except NoLayers as problem:
        raise RunError(f"the layers of {base.folder} are not known: {problem}") from problem
    if detail:
        raise RunError(f"{base.folder} cannot be the base of {arch}: {detail}")
    return moe_pieces(ARCHS[arch], shapes, experts)


def _move(
    piece: Piece, model: ModelHeaders, base: ModelHeaders, dtype: str | None, scale: float | None
) -> Move:
    info = model.tensors.get(piece.of)
    if info is None:
        raise RunError(f"{model.folder} has no tensor `{piece.of}`", hint="experts are built like the base")
    if info.shape != piece.shape:
        raise RunError(
            f"{model.path_of(piece.of)}: tensor `{piece.of}` has shape {list(info.shape)}, but "
            f"{list(piece.shape)} in the base"
        )
    own = base.tensors[piece.of].dtype
    scaled = scale if scale != 1 and piece.of.endswith("down_proj.weight") else None
    target = dtype or (own if own != info.dtype else None)
    return plan_move(piece.name, model.path_of(piece.of), info, dtype=target, scale=scaled)


def _planned(piece: Piece, base: ModelHeaders, dtype: str | None) -> PlannedTensor:
    """A tensor that is made, in the type of the MLP that stands in its layer of the base."""
    own = base.tensors[f"model.layers.{piece.layer}.mlp.down_proj.weight"].dtype
    return PlannedTensor(piece.name, dtype or own, piece.shape)


def _encoded(tensor: PlannedTensor, rows: Rows) -> NDArray[Any]:
    """The rows of a router; the gate of a shared expert, which has none, is open half: all zeros."""
    if tensor.dtype not in STORED:
        raise RunError(f"`{tensor.name}` would be {tensor.dtype}", hint="dtype: bf16 stores it as a float")
    values = rows.get(tensor.name)
    if values is None:
        values = np.zeros(tensor.shape, np.float32)
    out = np.empty(values.size, STORED[tensor.dtype])
    encode(np.ascontiguousarray(values, np.float32).reshape(-1), tensor.dtype, out)
    return out

"""stack: ranges of layers of several models as one model folder, without decoding what stays as it is.

Read and written are the bytes of the tensors that the stack has, each once; headers of all models besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fusec.compiler.facts import TIED_HEADS
from fusec.compiler.layers import NoLayers, Piece, Range, layers_of, stack_pieces
from fusec.runtime.hf_folder import ModelWriter, copy_companions, read_config
from fusec.runtime.kernel import Artifact, Context, Method, RunError
from fusec.runtime.kernels.merge import DTYPES
from fusec.runtime.kernels.stack.configuration import stacked_config
from fusec.runtime.sources.safetensors_header import ModelHeaders, read_model_headers
from fusec.runtime.transfer import Move, plan_move, transfer


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Writes the stack of `layers`, methods `slice(model, start, stop, scale, only)`, into `ctx.out`.

    `dtype` is the type of all floating tensors (None: each keeps its own), `shard_size` in bytes. RunError
    for models whose layers do not compute alike.
    """
    slices: Sequence[Method] = slots["layers"]
    models: list[Artifact] = [slice_["model"] for slice_ in slices]
    stored, named = DTYPES[slots["dtype"]] if slots["dtype"] else (None, None)
    try:
        headers = {model.path: read_model_headers(model.path) for model in models}
        configs = [read_config(model.path) for model in models]
        ranges = [
            _range(headers[model.path], config, slice_)
            for model, config, slice_ in zip(models, configs, slices, strict=True)
        ]
        pieces = stack_pieces(ranges, one_model=models[0].id == models[-1].id)
        moves = [
            _move(piece, slices[piece.part], headers[models[piece.part].path], stored) for piece in pieces
        ]
        tied = TIED_HEADS.isdisjoint(piece.name for piece in pieces)
        parts = list(zip([model.path for model in models], configs, ranges, strict=True))
        copy_companions(models[0].path, ctx.out, dtype=named, config=stacked_config(parts, tied=tied))
        planned = [move.target for move in moves]
        with ModelWriter(ctx.out, planned, shard_bytes=slots["shard_size"]) as writer:
            transfer(moves, writer, ctx)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"stacking into {ctx.out} failed: {error.strerror}{where}") from error


def _range(headers: ModelHeaders, config: Mapping[str, Any], slice_: Method) -> Range:
    """The range of a slice; a head that the configuration ties to the embedding does not count."""
    tied = config.get("tie_word_embeddings") is True
    shapes = {n: info.shape for n, info in headers.tensors.items() if not (tied and n in TIED_HEADS)}
    try:
        layers = layers_of(shapes)
    except NoLayers as problem:
        raise RunError(f"the layers of {headers.folder} are not known: {problem}") from problem
    return Range(shapes, layers, slice_["start"], slice_["stop"])


def _move(piece: Piece, slice_: Method, headers: ModelHeaders, dtype: str | None) -> Move:
    only = slice_["only"]
    scaled = piece.layered and (not only or any(fnmatchcase(piece.of, pattern) for pattern in only))
    scale = slice_["scale"] if scaled and slice_["scale"] != 1 else None
    return plan_move(
        piece.name, headers.path_of(piece.of), headers.tensors[piece.of], dtype=dtype, scale=scale
    )

"""extract_lora: the change of a model as an adapter that PEFT and fusec read, and what is lost of it.

Both models are read once. One matrix is held at a time, as float32 and float64, with its decomposition. The
factors of all tensors wait in memory, rank * (rows + columns) numbers each, as their ranks decide the layout
of the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import fsum, sqrt
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fusec.runtime.determinism import deterministic
from fusec.runtime.hf_folder import ModelWriter, PlannedTensor, read_config, sync_folder, write_synced
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.extract_lora.changes import Pair, opened
from fusec.runtime.kernels.extract_lora.factors import Truncated, truncate
from fusec.runtime.kernels.merge import DTYPES
from fusec.runtime.kernels.merge.codec import F32, STORED, encode, first_nonfinite
from fusec.runtime.sources.adapter import WEIGHTS
from fusec.runtime.sources.adapter_config import CONFIG
from fusec.runtime.sources.safetensors_header import SINGLE, read_model_headers
from fusec.runtime.transfer import plan_move, transfer

REPORT = "extraction.json"
PREFIX = "base_model.model."

TRANSPOSED = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})
"""Architectures that store linear weights as (in, out)."""


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Writes the adapter of `inputs["model"]` over `inputs["base"]` into `ctx.out`.

    Slots: `rank` at most, `epsilon`, the patterns `target` and `keep`, `dtype` of the factors. RunError for
    models that do not match, that are equal, or that differ in what an adapter cannot hold.
    """
    base, model = inputs["base"], inputs["model"]
    try:
        headers = read_model_headers(base.path), read_model_headers(model.path)
        config = read_config(base.path)
        turned = config.get("model_type") in TRANSPOSED
        with opened(*headers) as pair:
            linear, others = pair.targets(slots["target"], slots["keep"])
            whole = [name for name in others if pair.changed(name)]
            factors = _factorise(pair, linear, slots, turned, ctx)
            ctx.meter.expert_bytes = sum(pair.model.tensors[name].bytes for name in (*linear, *others))
            ctx.meter.bytes_read = ctx.meter.expert_bytes + sum(
                pair.base.tensors[name].bytes for name in (*linear, *others)
            )
            if not factors and not whole:
                raise RunError(f"{model.path} equals {base.path} in every tensor that the adapter may change")
            _write_weights(pair, factors, whole, slots["dtype"], ctx)
        settings = _settings(config, factors, whole, turned)
        write_synced(ctx.out / CONFIG, _json(settings))
        write_synced(ctx.out / REPORT, _json(_report(factors, whole)))
        sync_folder(ctx.out)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"the adapter {ctx.out} failed: {error.strerror}{where}") from error


def _factorise(
    pair: Pair, names: Sequence[str], slots: Mapping[str, Any], turned: bool, ctx: Context
) -> dict[str, Truncated]:
    """The factors of every matrix that changed, by name, as a linear module of (out, in) has them."""
    found: dict[str, Truncated] = {}
    with deterministic(0, ctx.threads):
        for done, name in enumerate(names):
            ctx.emit("progress", done=done, total=len(names), unit="tensors")
            change = pair.change(name)
            if change.any():
                matrix = np.ascontiguousarray(change.T) if turned else change
                made = truncate(matrix, slots["rank"], slots["epsilon"], ctx.device)
                found[name] = made
    return found


def _write_weights(
    pair: Pair, factors: Mapping[str, Truncated], whole: Sequence[str], dtype: str, ctx: Context
) -> None:
    stored, _ = DTYPES[dtype]
    pieces: dict[str, F32] = {}
    for name, made in factors.items():
        if made.rank:
            module = PREFIX + name.removesuffix(".weight")
            pieces |= {f"{module}.lora_A.weight": made.down, f"{module}.lora_B.weight": made.up}
    adapted = {name.removesuffix(".weight") for name, made in factors.items() if made.rank}
    moves = [
        plan_move(_whole_key(name, adapted), pair.model.path_of(name), pair.model.tensors[name])
        for name in whole
    ]
    planned = [PlannedTensor(key, stored, piece.shape) for key, piece in pieces.items()]
    planned += [move.target for move in moves]
    total = sum(tensor.bytes for tensor in planned)
    with ModelWriter(ctx.out, sorted(planned, key=lambda t: t.name), shard_bytes=max(total, 1)) as writer:
        for key, piece in pieces.items():
            out: NDArray[Any] = np.empty(piece.size, STORED[stored])
            encode(piece.reshape(-1), stored, out)
            if first_nonfinite(out, stored) is not None:
                raise RunError(f"`{key}` overflows {stored}", hint="a wider `dtype` holds it")
            writer.write(key, 0, out)
            ctx.meter.bytes_written += out.nbytes
        transfer(moves, writer, ctx)
    os.rename(ctx.out / SINGLE, ctx.out / WEIGHTS)


def _whole_key(name: str, adapted: set[str]) -> str:
    """The key of a tensor that is stored whole; PEFT wraps a module that has factors as well."""
    module, _, leaf = name.rpartition(".")
    return f"{PREFIX}{module}.base_layer.{leaf}" if module in adapted else f"{PREFIX}{name}"


def _settings(
    config: Mapping[str, Any], factors: Mapping[str, Truncated], whole: Sequence[str], turned: bool
) -> dict[str, Any]:
    """`adapter_config.json`, with ranks that differ from the largest one listed by module."""
    ranks = {name.removesuffix(".weight"): made.rank for name, made in factors.items() if made.rank}
    rank = max(ranks.values(), default=1)
    lower = {module: own for module, own in sorted(ranks.items()) if own != rank}
    saved = {name.rpartition(".")[0] for name in whole} - ranks.keys()
    architectures = config.get("architectures") or [""]
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM" if architectures[0].endswith(("ForCausalLM", "LMHeadModel")) else None,
        "base_model_name_or_path": None,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": lower,
        "alpha_pattern": lower,
        "target_modules": sorted(ranks),
        "modules_to_save": sorted(saved) or None,
        "bias": "all" if any(name.rpartition(".")[0] in ranks for name in whole) else "none",
        "fan_in_fan_out": turned,
        "lora_dropout": 0.0,
        "inference_mode": True,
    }


def _report(factors: Mapping[str, Truncated], whole: Sequence[str]) -> dict[str, Any]:
    """What the truncation lost: Frobenius norms of the changes and of their errors, and their ratios."""

    def entry(update: float, error: float) -> dict[str, float]:
        return {"update": update, "error": error, "relative": error / update if update else 0.0}

    update = sqrt(fsum(made.update**2 for made in factors.values()))
    error = sqrt(fsum(made.error**2 for made in factors.values()))
    tensors = {name: {"rank": made.rank} | entry(made.update, made.error) for name, made in factors.items()}
    return {"total": entry(update, error), "tensors": tensors, "whole": list(whole)}


def _json(value: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

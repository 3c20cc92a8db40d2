"""`config.json` of a stack: the first model's, with as many layers as there are now.

Other models may differ from it only in what does not change how a layer computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusec.compiler.layers import Range
from fusec.runtime.kernel import RunError

COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
"""What configurations call the number of layers."""

_APART = {
    "_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "auto_map", "bos_token_id", "dtype",
    "embd_pdrop", "eos_token_id", "hidden_dropout", "initializer_range", "max_position_embeddings",
    "max_window_layers", "n_ctx", "n_positions", "pad_token_id", "resid_pdrop", "tie_word_embeddings",
    "torch_dtype", "transformers_version", "use_cache", "vocab_size", *COUNTS,
}  # fmt: skip
"""Settings that may differ: names, tokens, training, lengths; the tensors themselves settle the rest."""

Part = tuple[Path, Mapping[str, Any], Range]
"""The folder of a slice's model, its configuration and the range of layers."""


def stacked_config(parts: Sequence[Part], *, tied: bool) -> dict[str, Any]:
    """The configuration of the stack of `parts`; `tied` says that its head is its embedding.

    Lists with one entry a layer (`layer_types`) are put together like the layers. Raises RunError naming the
    setting in which two models compute differently, or a number of layers that the tensors contradict.
    """
    folder, first, range_ = parts[0]
    for other, config, other_range in parts:
        _require_count(other, config, other_range)
        _require_alike(folder, first, other, config)
    config = dict(first)
    depth = sum(part.stop - part.start for _, _, part in parts)
    config |= {key: depth for key in COUNTS if first.get(key) == range_.layers.count}
    for key in first:
        if _is_per_layer(key, first[key], range_):
            config[key] = [entry for part in parts for entry in _entries(key, part)]
    if not tied:
        config["tie_word_embeddings"] = False
    return config


def _require_count(folder: Path, config: Mapping[str, Any], range_: Range) -> None:
    counts = {key: config[key] for key in COUNTS if key in config}
    if range_.layers.count not in counts.values():
        says = ", ".join(f"`{key}` {count}" for key, count in counts.items()) or "no number of layers"
        raise RunError(
            f"{folder}/config.json says {says}, but `{range_.layers.prefix}` has {range_.layers.count} layers"
        )
    if range_.stop > range_.layers.count:
        raise RunError(f"{folder} has {range_.layers.count} layers, fewer than {range_.stop}")


def _require_alike(folder: Path, first: Mapping[str, Any], other: Path, config: Mapping[str, Any]) -> None:
    if _difference(first, config) is None:
        return
    # Whether a setting is written or left at its default depends on the version that saved the model.
    one, two = _filled_in(folder, first), _filled_in(other, config)
    key = _difference(one, two)
    if key is not None:
        raise RunError(
            f"`{key}` is {one.get(key)!r} in {folder} and {two.get(key)!r} in {other}: "
            "their layers do not compute alike",
            hint="a stack has one configuration; take layers from models that agree in it",
        )


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first setting that makes layers compute differently; lists over layers go with their layers."""
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        per_layer = "layer" in key and isinstance(a, list) and isinstance(b, list)
        if key not in _APART and not per_layer and a != b:
            return key
    return None


def _filled_in(folder: Path, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with every default of its architecture, where transformers knows it."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).to_dict()
    except Exception:  # an architecture of its own: what is written is all there is
        return config


def _is_per_layer(key: str, value: Any, range_: Range) -> bool:
    return "layer" in key and isinstance(value, list) and len(value) == range_.layers.count


def _entries(key: str, part: Part) -> list[Any]:
    folder, config, range_ = part
    if not _is_per_layer(key, config.get(key), range_):
        raise RunError(f"{folder}/config.json has no `{key}` with {range_.layers.count} entries, one a layer")
    entries: list[Any] = config[key]
    return entries[range_.start : range_.stop]

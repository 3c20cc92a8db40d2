"""`config.json` of an assembled mixture: the base's settings in the words of the new architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fusec.compiler.layers import Shape
from fusec.compiler.moe import ARCHS
from fusec.runtime.kernel import RunError

_CARRIED = (
    "attention_dropout", "bos_token_id", "dtype", "eos_token_id", "head_dim", "hidden_act", "hidden_size",
    "initializer_range", "max_position_embeddings", "num_attention_heads", "num_hidden_layers",
    "num_key_value_heads", "pad_token_id", "rms_norm_eps", "rope_parameters", "tie_word_embeddings",
    "use_cache", "vocab_size",
)  # fmt: skip
"""Settings that the architectures share, by the same names."""

Config = Mapping[str, Any]


def moe_config(
    arch: str,
    base: Path,
    models: Sequence[Path],
    *,
    experts: int,
    per_token: int,
    shapes: Mapping[str, Shape],
) -> dict[str, Any]:
    """The configuration of `arch` for the base in folder `base` with MLPs from `models`.

    Defaults that the base leaves to its own architecture are written out, as they are others in the new one.
    Raises RunError where the result would not compute what base and experts do.
    """
    own = _filled_in(base)
    for folder in (base, *models):
        config = own if folder == base else _filled_in(folder)
        if config["model_type"] not in ARCHS[arch].of:
            raise RunError(
                f"{folder} is {config['model_type']}, and {arch} is assembled from "
                f"{' or '.join(ARCHS[arch].of)}"
            )
        if config["hidden_act"] != own["hidden_act"]:
            raise RunError(
                f"`hidden_act` is {own['hidden_act']!r} in {base} and {config['hidden_act']!r} in {folder}: "
                "experts of one layer compute alike"
            )
    window = own.get("sliding_window")
    if own.get("use_sliding_window") is False:
        window = None
    if window is not None and arch != "mixtral":
        raise RunError(f"{base} attends within a window of {window} tokens, which {arch} does not do alike")
    carried = {key: own[key] for key in _CARRIED if own.get(key) is not None}
    return carried | _OWN[arch](own, experts, per_token, shapes) | {"model_type": arch}


def _filled_in(folder: Path) -> Config:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever a broken file leads to
        reason = str(error).strip().partition("\n")[0]
        raise RunError(f"{folder}/config.json does not load: {reason}") from error
    filled: Config = config.to_dict()
    return filled


def _mixtral(own: Config, experts: int, per_token: int, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    return {
        "architectures": ["MixtralForCausalLM"],
        "intermediate_size": own["intermediate_size"],
        "num_experts_per_tok": per_token,
        "num_local_experts": experts,
        "sliding_window": own.get("sliding_window"),
    }


def _qwen(own: Config, experts: int, per_token: int) -> dict[str, Any]:
    return {
        "decoder_sparse_step": 1,
        "intermediate_size": own["intermediate_size"],
        "mlp_only_layers": [],
        "moe_intermediate_size": own["intermediate_size"],
        "norm_topk_prob": True,
        "num_experts": experts,
        "num_experts_per_tok": per_token,
        "use_sliding_window": False,
    }


def _qwen2_moe(own: Config, experts: int, per_token: int, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    return _qwen(own, experts, per_token) | {
        "architectures": ["Qwen2MoeForCausalLM"],
        "qkv_bias": "model.layers.0.self_attn.q_proj.bias" in shapes,
        "shared_expert_intermediate_size": own["intermediate_size"],
    }


def _qwen3_moe(own: Config, experts: int, per_token: int, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    return _qwen(own, experts, per_token) | {
        "architectures": ["Qwen3MoeForCausalLM"],
        "attention_bias": False,
    }


_OWN: Mapping[str, Callable[[Config, int, int, Mapping[str, Shape]], dict[str, Any]]] = {
    "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe,
    "qwen3_moe": _qwen3_moe,
}

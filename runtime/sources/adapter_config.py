"""What `adapter_config.json` says about a LoRA adapter, as PEFT writes it.

Only adapters that add a fixed change to weights can be read as a delta. Every setting is either read here,
known to say nothing about the finished weights, or refused by its name.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import read_header_file

CONFIG = "adapter_config.json"

Rank = Annotated[int, Meta(ge=1)]

_SILENT = {
    "auto_mapping", "ensure_weight_tying", "eva_config", "exclude_modules", "inference_mode",
    "layers_pattern", "layers_to_transform", "lora_dropout", "megatron_core", "peft_version",
    "qalora_group_size", "revision", "target_modules", "task_type",
}  # fmt: skip
"""Where adapters sit and how they were trained: the tensors themselves tell what came of it."""

_STARTS = (True, False, "gaussian", "eva", "orthogonal")
"""Starts of training that leave the base as it is; PiSSA, OLoRA, LoftQ and others change it."""

_WHY = {
    "use_dora": "DoRA scales the sum of base and change by its norm",
    "lora_bias": "a bias on the second factor is no change of a weight",
    "init_lora_weights": "the adapter then belongs to a changed base, not to the one it names",
    "layer_replication": "layers of the base are used several times",
    "target_parameters": "parameters without a module of their own are adapted",
    "trainable_token_indices": "single rows of the embedding are replaced",
    "alora_invocation_tokens": "the change depends on the tokens that are read",
}


class AdapterConfig(Struct, frozen=True):
    """The settings that decide what the tensors of an adapter mean."""

    peft_type: str
    r: Rank = 8
    lora_alpha: float = 8
    rank_pattern: dict[str, Rank] | None = None
    alpha_pattern: dict[str, float] | None = None
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    bias: Literal["none", "all", "lora_only"] = "none"
    modules_to_save: list[str] | None = None
    base_model_name_or_path: str | None = None

    def rank(self, module: str) -> int:
        """The rank of the factors of a module."""
        return _matching(self.rank_pattern, module, self.r)

    def scale(self, module: str) -> float:
        """What the product of the factors of a module is multiplied with: alpha / r, or alpha / sqrt(r)."""
        alpha, rank = _matching(self.alpha_pattern, module, self.lora_alpha), self.rank(module)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)

    def saves(self, name: str) -> bool:
        """Whether the adapter holds this tensor of the base whole, by what the configuration says."""
        module, _, leaf = name.rpartition(".")
        saved = any(f".{part}." in f".{module}." for part in self.modules_to_save or ())
        return saved or (leaf == "bias" and self.bias != "none")


def read_adapter_config(folder: Path) -> AdapterConfig:
    """The checked configuration. Raises `Unusable` naming the setting that stands in the way."""
    path = folder / CONFIG
    try:
        raw = msgspec.json.decode(read_header_file(path), type=dict[str, Any])
        kind = raw.get("peft_type")
        if kind != "LORA":
            raise Unusable(
                "unsupported",
                f"{CONFIG} says `peft_type: {kind}`, and of adapters only LORA is read as a delta",
                hint="merge the adapter into its base where it was trained, and use the whole model",
                where=path,
            )
        _refuse_others(raw, path)
        config = msgspec.convert(raw, AdapterConfig)
        for setting in ("rank_pattern", "alpha_pattern"):
            for pattern in getattr(config, setting) or ():
                re.compile(pattern)
    except FileNotFoundError:
        raise Unusable("missing", f"there is no {CONFIG}", where=path) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unusable("damaged", f"{CONFIG} is not readable: {error}", where=path) from error
    except re.error as error:
        what = f"{CONFIG}: `{error.pattern!s}` is no pattern: {error}"
        raise Unusable("damaged", what, where=path) from error
    return config


def _refuse_others(raw: dict[str, Any], path: Path) -> None:
    known = {*AdapterConfig.__struct_fields__, *_SILENT}
    if raw.get("init_lora_weights", True) in _STARTS:
        known.add("init_lora_weights")
    for setting, value in sorted(raw.items()):
        if setting not in known and value:
            why = _WHY.get(setting, "what that does to weights is not known here")
            raise Unusable(
                "unsupported",
                f"{CONFIG} sets `{setting}`: {why}",
                hint="merge the adapter into its base where it was trained, and use the whole model",
                where=path,
            )


def _matching(patterns: dict[str, Any] | None, module: str, default: Any) -> Any:
    """The value of the first pattern that matches the end of a module's name, as PEFT looks it up."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default

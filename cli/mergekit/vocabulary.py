"""The words of mergekit's configuration format, and what fusec has for them."""

from __future__ import annotations

from typing import NamedTuple

TOP = (
    "merge_method", "base_model", "models", "slices", "modules", "parameters", "dtype", "out_dtype",
    "tokenizer_source", "tokenizer", "chat_template", "name",
)  # fmt: skip
MODEL = ("model", "parameters")
SOURCE = ("model", "layer_range", "parameters")
SLICE = ("sources", "base_model", "parameters")
REFERENCE = ("model", "lora", "override_architecture")
PATH = ("path", "revision")
TOKENIZER = ("source", "tokens", "pad_to_multiple_of")
RULE = ("filter", "value")


class Method(NamedTuple):
    """`each` and `shared` are the parameters that matter: one a model, or one a merge."""

    each: tuple[str, ...]
    shared: tuple[str, ...]
    takes_updates: bool  # adds to a base what experts changed; the base itself has no part in it


METHODS = {
    "linear": Method(("weight",), ("normalize",), False),
    "task_arithmetic": Method(("weight",), ("lambda", "normalize"), True),
    "ties": Method(("weight", "density"), ("lambda", "normalize", "rescale"), True),
    "passthrough": Method(("scale",), (), False),
}

_TRIMMED = "`ties` trims to the largest changes and draws nothing at random"
_SUMMED = "`task_arithmetic` adds the changes untrimmed"
_MEAN = "`average` is the plain mean"
NEAREST = {
    "slerp": "`linear` with the weights 1 - t and t: between two fine-tunes of one base the angle is so "
    "small that slerp is that line",
    "nuslerp": "`linear` with the same weights",
    "multislerp": "`linear` with the same weights",
    "karcher": _MEAN,
    "model_stock": _MEAN,
    "dare_linear": _SUMMED,
    "dare_ties": _TRIMMED,
    "breadcrumbs": _SUMMED,
    "breadcrumbs_ties": _TRIMMED,
    "della": _TRIMMED,
    "della_linear": _SUMMED,
    "sce": "`ties` elects signs in the same way",
    "arcee_fusion": _SUMMED,
    "nearswap": _SUMMED,
    "ram": _SUMMED,
    "ramplus_tl": _SUMMED,
}
"""The methods that fusec lacks, each with the nearest that it has."""

PARAMETERS = (
    "weight", "density", "scale", "gamma", "epsilon", "normalize", "int8_mask", "lambda", "rescale", "t",
    "select_topk", "filter_wise", "nuslerp_flatten", "nuslerp_row_wise", "normalize_weights", "eps",
    "max_iter", "tol", "r", "alpha",
)  # fmt: skip
"""Every parameter that some method reads."""

DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}

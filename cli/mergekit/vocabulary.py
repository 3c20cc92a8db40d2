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
TOKEN = ("source", "force")
STANDIN = ("kind", "model", "token", "token_id")
RULE = ("filter", "value")


class Method(NamedTuple):
    """`each` and `shared` are the parameters that matter: one a model, or one a merge."""

    each: tuple[str, ...]
    shared: tuple[str, ...]
    takes_updates: bool  # works on what experts changed, and rounds every step to the working dtype


_SPARSE = ("lambda", "normalize", "rescale")
METHODS = {
    "linear": Method(("weight",), ("normalize",), False),
    "task_arithmetic": Method(("weight",), ("lambda", "normalize"), True),
    "ties": Method(("weight", "density"), _SPARSE, True),
    "dare_linear": Method(("weight", "density"), _SPARSE, True),
    "dare_ties": Method(("weight", "density"), _SPARSE, True),
    "breadcrumbs": Method(("weight", "density", "gamma"), _SPARSE, True),
    "breadcrumbs_ties": Method(("weight", "density", "gamma"), _SPARSE, True),
    "della": Method(("weight", "density", "epsilon"), _SPARSE, True),
    "della_linear": Method(("weight", "density", "epsilon"), _SPARSE, True),
    "passthrough": Method(("scale",), (), False),
    "slerp": Method((), ("t",), False),
    "nuslerp": Method(("weight",), ("nuslerp_flatten", "nuslerp_row_wise"), True),
    "multislerp": Method(("weight",), ("normalize_weights", "eps"), True),
    "karcher": Method((), ("max_iter", "tol"), True),
    "model_stock": Method((), ("filter_wise",), True),
    "sce": Method((), ("select_topk",), True),
    "arcee_fusion": Method((), (), True),
    "nearswap": Method((), ("t",), True),
    "ram": Method((), ("epsilon",), True),
    "ramplus_tl": Method((), ("epsilon", "r", "alpha"), True),
}

PARAMETERS = (
    "weight", "density", "scale", "gamma", "epsilon", "normalize", "int8_mask", "lambda", "rescale", "t",
    "select_topk", "filter_wise", "nuslerp_flatten", "nuslerp_row_wise", "normalize_weights", "eps",
    "max_iter", "tol", "r", "alpha",
)  # fmt: skip
"""Every parameter that some method reads."""

ELECTING = ("ties", "dare_ties", "breadcrumbs_ties", "della")
"""Methods that divide each element by the weights that agree there, whatever they sum to."""

NORMALIZING = ("ties", "della")
"""Methods of changes that divide unless they are told not to."""

DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}

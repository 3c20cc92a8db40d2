"""Models and tokenizers out of folders, quietly and without second guesses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from fusec.runtime.kernel import Artifact, RunError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt", "tokenizer.model")


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines and no bars from transformers: what matters is an event or an error of ours."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`. Raises RunError when it does not load."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise RunError(
            f"{folder} has no tokenizer",
            hint="copy the tokenizer files that the model was trained with beside its weights",
        )
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever a broken file leads to
        raise RunError(f"the tokenizer in {folder} does not load: {_line(error)}") from error


def load_model(model: Artifact) -> PreTrainedModel:
    """The causal language model in fp32 on the CPU.

    Raises RunError when the folder does not load, lacks or misshapes a tensor (transformers would make
    one up), or holds a weight that is not finite.
    """
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            model.path,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,  # left out, transformers asks on the terminal
            ignore_mismatched_sizes=True,  # reported below, with the name
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises whatever a broken file leads to
        raise RunError(f"the model in {model.path} does not load: {_line(error)}") from error
    net: PreTrainedModel = loaded[0]
    report: dict[str, Any] = loaded[1]
    if report["missing_keys"]:
        raise RunError(f"the model in {model.path} has no tensor `{min(report['missing_keys'])}`")
    if report["mismatched_keys"]:
        name, found, wanted = min((key[0], tuple(key[1]), tuple(key[2])) for key in report["mismatched_keys"])
        raise RunError(f"`{name}` in {model.path} has shape {found}, its config says {wanted}")
    for name, weight in net.named_parameters():
        if not torch.isfinite(weight).all():
            raise RunError(f"`{name}` in {model.path} holds weights that are not finite")
    return net


def load(model: Artifact) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of one folder. Raises RunError when the model lacks rows for some tokens."""
    net, tokenizer = load_model(model), load_tokenizer(model.path)
    rows = rows_of(net)
    if len(tokenizer) > rows:
        raise RunError(
            f"the tokenizer in {model.path} has {len(tokenizer)} tokens, the model has rows for {rows}",
            hint="the folder mixes two models; take the tokenizer that the model was trained with",
        )
    return net, tokenizer


def rows_of(net: PreTrainedModel) -> int:
    """Rows of the input embedding: the tokens the model knows."""
    weight = net.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)
    return weight.shape[0]


def context_of(net: PreTrainedModel, asked: int | None) -> int:
    """Tokens per sequence: `asked`, or what the model takes, up to 2048. RunError when it takes fewer."""
    most = getattr(net.config, "max_position_embeddings", None)
    if asked is None:
        return min(most or 2048, 2048)
    if most is not None and asked > most:
        raise RunError(
            f"context is {asked} tokens, the model takes {most}", hint=f"write `context: {most}` or less"
        )
    return asked


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

"""init: a model from nothing, its weights drawn from the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerBase

from fusec.compiler.arch import Size, size
from fusec.runtime.determinism import deterministic
from fusec.runtime.kernel import Artifact, Context, Method, RunError
from fusec.runtime.kernels.train.folder import load_tokenizer, quiet
from fusec.runtime.kernels.train.save import payload, save

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with a model folder of the tensors that `compiler.arch.arch_tensors` lists.

    Weights are drawn in fp32 and rounded once to `dtype` (fp32, bf16 or fp16).
    """
    assert ctx.seed is not None, "init is seeded"
    arch: Method = slots["arch"]
    source: Artifact = inputs["tokenizer"]
    with quiet():
        tokenizer = load_tokenizer(source.path)
        try:
            sizes = size(arch.name, arch.args, len(tokenizer))
        except ValueError as error:
            raise RunError(f"{arch.name}: {error}") from error
        config = config_of(arch.name, sizes, tokenizer)
        # Drawing is single-threaded in torch, so the weights do not depend on `threads`.
        with deterministic(ctx.seed, ctx.threads):
            net = AutoModelForCausalLM.from_config(config)
        net.to(DTYPES[slots["dtype"]])
        save(net, ctx.out)
        tokenizer.save_pretrained(ctx.out)
    ctx.meter.bytes_written += payload(ctx.out)


def config_of(name: str, sizes: Size, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    """The transformers config for `sizes`, with the special tokens of `tokenizer`."""
    return AutoConfig.for_model(
        name,
        **CONFIGS[name](sizes),
        vocab_size=sizes.vocab,
        tie_word_embeddings=sizes.tie_embeddings,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _llama(s: Size) -> dict[str, Any]:
    return {
        "num_hidden_layers": s.layers,
        "hidden_size": s.hidden,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.kv_heads,
        "head_dim": s.head,
        "intermediate_size": s.intermediate,
        "max_position_embeddings": s.context,
    }


def _gpt2(s: Size) -> dict[str, Any]:
    return {
        "n_layer": s.layers,
        "n_embd": s.hidden,
        "n_head": s.heads,
        "n_inner": s.intermediate,
        "n_positions": s.context,
        # Dropout would make every finetune of the model a noisier one than its recipe says.
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    }


CONFIGS: Mapping[str, Callable[[Size], dict[str, Any]]] = {"gpt2": _gpt2, "llama": _llama, "qwen3": _llama}

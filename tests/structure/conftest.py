"""Tiny models of several architectures on disk, and specs run as the command runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from fusec.lang.diagnostics import Diagnostic
from fusec.lang.render import render
from fusec.runtime.executors.local import Ran, run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.session import Session
from fusec.runtime.store import Store

SIZES: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32, "head_dim": 8,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CONFIGS: dict[str, Callable[..., PretrainedConfig]] = {
    "llama": lambda **o: LlamaConfig(**SIZES | o),
    "qwen2": lambda **o: Qwen2Config(**SIZES | o),
    "qwen3": lambda **o: Qwen3Config(**SIZES | o),
    "mistral": lambda **o: MistralConfig(**SIZES | o),
    "gemma2": lambda **o: Gemma2Config(**SIZES | {"sliding_window": 4, "query_pre_attn_scalar": 8} | o),
    "gpt2": lambda **o: GPT2Config(
        **{"vocab_size": 64, "n_embd": 16, "n_layer": 4, "n_head": 2, "n_positions": 32} | o
    ),
}
TOKENS = torch.tensor([[5, 9, 60, 3, 3, 17, 33, 8]])


class Bench:
    """A folder with models and a spec in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model(
        self,
        name: str,
        arch: str = "llama",
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        **options: Any,
    ) -> PreTrainedModel:
        """Writes a model of random weights, norms and biases among them."""
        torch.manual_seed(seed)
        net = AutoModelForCausalLM.from_config(CONFIGS[arch](**options), dtype=torch.float32)
        with torch.no_grad():
            for weight in net.parameters():
                weight += 0.05 * torch.randn(weight.shape)
        net.to(dtype).eval()
        net.save_pretrained(self.folder / name)
        return net

    def check(self, text: str) -> tuple[Diagnostic, ...]:
        (self.folder / "spec.fuse").write_text(f"edition 2026\n\n{text}")
        return Session(self.folder / "spec.fuse", {}, self.folder / ".fusec").check().problems

    def run(self, text: str) -> Ran:
        """Check, lock, plan and run; an error of the spec fails the test with its message."""
        assert self.check(text) == (), "\n".join(map(render, self.check(text)))
        session = Session(self.folder / "spec.fuse", {}, self.folder / ".fusec")
        store = Store(self.folder / ".fusec")
        try:
            session.lock(session.check(), digest=store.catalog.file_digest)
            stored = {row.id for row in store.catalog.objects()}
            plan = session.plan(session.check(), stored=stored)
            return run_plan(plan, store, self.folder, Options(threads=2))
        finally:
            store.close()

    def load(self, name: str, **options: Any) -> PreTrainedModel:
        """A folder as transformers loads it; every tensor in it is used and none is made up."""
        net, report = AutoModelForCausalLM.from_pretrained(
            self.folder / name, dtype=torch.float32, output_loading_info=True, **options
        )
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
        return net.eval()

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        shards = sorted((self.folder / name).glob("*.safetensors"))
        return {key: tensor for shard in shards for key, tensor in load_file(shard).items()}

    def config(self, name: str) -> PretrainedConfig:
        return AutoConfig.from_pretrained(self.folder / name)


@torch.no_grad()
def logits_of(net: PreTrainedModel) -> torch.Tensor:
    return net(TOKENS, use_cache=False).logits


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def logits() -> Callable[[PreTrainedModel], torch.Tensor]:
    """The logits of a model for a fixed text."""
    return logits_of


@pytest.fixture(params=sorted(CONFIGS))
def arch(request: pytest.FixtureRequest) -> str:
    return request.param

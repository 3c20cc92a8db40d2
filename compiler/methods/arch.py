"""Architectures that `init` can make; sizes left out follow from the others."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt

from fusec.compiler.step import Method

Count = Annotated[int, Gt(0)]


class Architecture(Method):
    """A decoder-only transformer. `vocab` is the number of embedding rows, the tokenizer's by default."""

    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count | None = None
    intermediate: Count | None = None
    context: Count | None = None
    tie_embeddings: bool | None = None
    vocab: Count | None = None


class Llama(Architecture, name="llama", family="arch"):
    """Llama: rotary positions, RMS norms, gated MLP, grouped attention (arXiv 2302.13971)."""


class Qwen3(Architecture, name="qwen3", family="arch"):
    """Qwen3: as Llama with normalized queries and keys, tied embeddings by default (arXiv 2505.09388)."""


class Gpt2(Architecture, name="gpt2", family="arch"):
    """GPT-2: learned positions, layer norms, plain MLP, tied embeddings by default."""

"""Architectures that `init` can make; sizes left out follow from the others."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le

from fusec.compiler.step import Method

Layers = Annotated[int, Gt(0), Le(10_000)]
Width = Annotated[int, Gt(0), Le(1_000_000)]
Rows = Annotated[int, Gt(0), Le(100_000_000)]


class Architecture(Method):
    """A decoder-only transformer. `vocab` is the number of embedding rows, the tokenizer's by default."""

    layers: Layers
    hidden: Width
    heads: Width
    kv_heads: Width | None = None
    intermediate: Width | None = None
    context: Rows | None = None
    tie_embeddings: bool | None = None
    vocab: Rows | None = None


class Llama(Architecture, name="llama", family="arch"):
    """Llama: rotary positions, RMS norms, gated MLP, grouped attention (arXiv 2302.13971).

    Example:

    ```fuse
    model blank = init { tokenizer: words, arch: llama(layers: 2, hidden: 64, heads: 4) }
    ```
    """


class Qwen3(Architecture, name="qwen3", family="arch"):
    """Qwen3: as Llama with normalized queries and keys, tied embeddings by default (arXiv 2505.09388).

    Example:

    ```fuse
    model blank = init { tokenizer: words, arch: qwen3(layers: 2, hidden: 64, heads: 4, kv_heads: 2) }
    ```
    """


class Gpt2(Architecture, name="gpt2", family="arch"):
    """GPT-2: learned positions, layer norms, plain MLP, tied embeddings by default.

    Example:

    ```fuse
    model blank = init { tokenizer: words, arch: gpt2(layers: 2, hidden: 64, heads: 4, context: 128) }
    ```
    """

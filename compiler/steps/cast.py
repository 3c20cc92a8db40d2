"""cast: a model in another stored type, or in shards of another size."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from annotated_types import Gt

from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES
from fusec.compiler.slots import Model, Size
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.types import ModelType, Type, Unknown


class Cast(Step, verb="cast", kernel="cast", subject="model"):
    """Store the weights of a model in another type, in files of at most `shard_size`.

    Each weight is rounded once, to the nearest value of the type; one that the type cannot hold stops the
    run. Tensors that have the type already are copied byte for byte, as are all of them without a `dtype`;
    integers stay integers.

    Example:

    ```fuse
    model small = base |> cast { dtype: bf16, shard_size: 2 GB }
    ```
    """

    model: Model
    dtype: Literal["fp32", "bf16", "fp16"] | None = None
    shard_size: Annotated[Size, Gt(0)] = 5_000_000_000

    def gives(self, site: Site) -> Type:
        model = self.model.type
        if not isinstance(model, ModelType):
            return Unknown()
        space = model.space
        if self.dtype is not None:
            space = msgspec.structs.replace(space, bytes=space.params * DTYPE_BYTES[self.dtype])
        root = model.root or model.identity
        return ModelType(space, self.dtype or model.dtype, f"%{site.name}", root, model.tokenizer)

    def cost(self, result: Type) -> Cost:
        return Cost(
            reads=exactly(model_bytes(self.model.type)),
            writes=exactly(model_bytes(result)),
            memory=Range(16e6, 48e6, 128e6),
        )

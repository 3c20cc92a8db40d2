"""task_vector: what a model changed, as a delta."""

from __future__ import annotations

from typing import Literal

import msgspec

from fusec.compiler.coordinates import check_same_coordinates
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES
from fusec.compiler.slots import Model
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.types import DeltaType, ModelType, Type, Unknown


class TaskVector(Step, verb="task_vector", kernel="task_vector", subject="model"):
    """Take the weights of a base from those of a model: what training changed, as a delta.

    The difference is computed in fp32 and stored as `dtype`, one tensor for each floating tensor of the
    base; other tensors must be equal. In fp32 a merge by `task_arithmetic` or `ties` into the same base gives
    the same bytes with the delta as with the model.

    Example:

    ```fuse
    delta skill = math |> task_vector { base: base }
    ```
    """

    model: Model
    base: Model
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"

    def gives(self, site: Site) -> Type:
        check_same_coordinates(site, self.base, self.model, site.at("model"))
        base = self.base.type
        if not isinstance(base, ModelType):
            return Unknown()
        space = msgspec.structs.replace(base.space, bytes=base.space.params * DTYPE_BYTES[self.dtype])
        root = base.root or base.identity
        return DeltaType(space, self.dtype, f"%{site.name}", root, tokenizer=base.tokenizer)

    def cost(self, result: Type) -> Cost:
        reads = model_bytes(self.model.type) + model_bytes(self.base.type)
        params = result.space.params if isinstance(result, DeltaType) else 0
        return Cost(
            reads=exactly(reads),
            writes=exactly(model_bytes(result)),
            expert_reads=exactly(model_bytes(self.model.type)),
            flops=Range(params, params * 2.0, params * 4.0),
            memory=Range(64e6, 192e6, 512e6),
        )

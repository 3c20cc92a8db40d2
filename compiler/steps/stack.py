"""stack: a model whose layers are ranges of layers of other models."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal

from annotated_types import Gt

from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES, TensorFact, space_fingerprint
from fusec.compiler.layers import Shape, stack_pieces
from fusec.compiler.methods.slice import Slice
from fusec.compiler.slots import ListOf, MethodOf, Size
from fusec.compiler.stacks import ancestry, fits, range_of
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.types import ModelType, Space, Type, Unknown


class Stack(Step, verb="stack", kernel="stack"):
    """Put ranges of layers of one or more models on top of each other: a deeper or a shallower model.

    Ranges may overlap and repeat; every layer has to have the same tensors and shapes. Embeddings,
    configuration and tokenizer are those of the first slice's model, final norm and head those of the last
    one's. Weights are copied byte for byte unless a `scale` or a `dtype` asks for others. Entries of the
    configuration that belong to a layer follow it; settings that count layers otherwise stay as they are.

    Stacks of the same ranges share coordinates where their models do, so slices are merged as a `merge` of
    stacks.

    Example:

    ```fuse
    model deeper = stack {
      layers: [slice(base, start: 0, stop: 2), slice(base, start: 1, stop: 2)]
    }
    ```
    """

    layers: Annotated[tuple[Slice, ...], ListOf(MethodOf("slice"))]
    dtype: Literal["fp32", "bf16", "fp16"] | None = None
    shard_size: Annotated[Size, Gt(0)] = 5_000_000_000

    def gives(self, site: Site) -> Type:
        if not self.layers:
            site.report(EmptyList(at=site.at("layers"), slot="layers", verb="stack"))
            return Unknown()
        found = [range_of(site, slice_, index) for index, slice_ in enumerate(self.layers)]
        ranges = [range_ for range_ in found if range_ is not None]
        types = [slice_.model.type for slice_ in self.layers if isinstance(slice_.model.type, ModelType)]
        if len(ranges) < len(found) or not fits(site, self.layers, ranges, types):
            return Unknown()
        pieces = stack_pieces(ranges, one_model=types[0].identity == types[-1].identity)
        space = self._space(
            types[0], {piece.name: ranges[piece.part].shapes[piece.of] for piece in pieces}, site
        )
        root, identity = ancestry(site.name, self.layers, ranges, types)
        return ModelType(space, self.dtype or types[0].dtype, identity, root, types[0].tokenizer)

    def _space(self, first: ModelType, shapes: Mapping[str, Shape], site: Site) -> Space:
        fingerprint = space_fingerprint(TensorFact(name, "", shape) for name, shape in shapes.items())
        site.know_space(fingerprint, shapes)
        params = sum(map(prod, shapes.values()))
        width = DTYPE_BYTES[self.dtype] if self.dtype else first.space.bytes / first.space.params
        return Space(
            name=f"{first.space.name.rpartition('_')[0]}_{fingerprint[:6]}",
            fingerprint=fingerprint,
            tensors=len(shapes),
            params=params,
            bytes=round(params * width),
            vocab=first.space.vocab,
        )

    def order(self, ids: dict[str, str]) -> Stack:
        slices = (
            slice_.model_copy(update={"only": tuple(sorted(set(slice_.only)))}) for slice_ in self.layers
        )
        return self.model_copy(update={"layers": tuple(slices)})

    def cost(self, result: Type) -> Cost:
        size = model_bytes(result)
        return Cost(reads=exactly(size), writes=exactly(size), memory=Range(16e6, 48e6, 128e6))

"""Rules of `merge`: which tensors have a method or weights of their own."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Gt
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from fusec.compiler.layers import Layers
from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.points import vary
from fusec.compiler.slots import ListOf, MethodOf, Plain
from fusec.compiler.step import Method

Weights = tuple[float, ...]


class Place(NamedTuple):
    """Layer `number` of `of` over which values change; of one layer it is the last."""

    number: int = 0
    of: int = 1


def _points(points: Any) -> Any:
    if points is not None and not points:
        raise PydanticCustomError("points", "one point or more")
    return points


def _methods(methods: Any) -> Any:
    if methods is not None and not vary([_said(method) for method in methods]):
        raise PydanticCustomError("points", "one method at all points, with other fractional numbers")
    return _points(methods)


def _said(method: MergeMethod) -> dict[str, Any]:
    return {"method": method.name, **{name: getattr(method, name) for name in type(method).model_fields}}


class Rule(Method):
    """Some tensors of a merge; `graded` rules have values that change from layer to layer."""

    graded: ClassVar[bool] = False

    if TYPE_CHECKING:  # declared by each rule, in the order of its arguments
        names: str

    def place(self, layer: int | None, layers: int) -> Place | None:
        """Where a tensor of that layer stands, one of no layer with None; None where it is not meant."""
        return Place()

    @property
    def bounds(self) -> tuple[int, int | None] | None:
        """The first layer and the one past the last, None for all behind; None where layers do not count."""
        return None

    @property
    def weight_points(self) -> Sequence[Weights]:
        """Weights of the experts at points from the first layer to the last; none for those of the merge."""
        return _at_points(self, "weights")

    @property
    def method_points(self) -> Sequence[MergeMethod]:
        return _at_points(self, "method")

    def finds(self, name: str, layers: Layers | None) -> Place | None:
        """The place of a tensor, None where the rule does not mean it; `layers` where there are `bounds`."""
        if not fnmatchcase(name, self.names):
            return None
        found = layers.place(name) if layers else None
        return self.place(found[0] if found else None, layers.count if layers else 0)


def _at_points(rule: Rule, slot: str) -> Sequence[Any]:
    value = getattr(rule, slot)
    return () if value is None else value if rule.graded else (value,)


class Tensors(Rule, name="tensors", family="rule"):
    """Tensors whose names match a glob pattern.

    `weights` has a number for each expert as they are listed. What a rule leaves out, it takes from the
    merge; one that says nothing leaves its tensors to the merge whatever later rules say.

    Example:

    ```fuse
    model both = merge {
      base: base
      experts: [math: 0.6, code: 0.4]
      method: ties(density: 0.5)
      rules: [tensors("*.self_attn.*", weights: [0.9, 0.1]), tensors("*norm*", method: linear)]
    }
    ```
    """

    names: str
    weights: Weights | None = None
    method: Annotated[MergeMethod | None, MethodOf("merge")] = None


class LayerRange(Rule, name="layers", family="rule"):
    """Tensors of layers `start` to `stop - 1`, counted from 0; `names` may single out some of them.

    Example:

    ```fuse
    model both = merge {
      base: base
      experts: [math, code]
      method: linear
      rules: [layers(0, 1, weights: [0.8, 0.2]), layers(1, 2, names: "*.mlp.*", method: ties(density: 0.3))]
    }
    ```
    """

    start: Annotated[int, Ge(0)]
    stop: Annotated[int, Gt(0)]
    names: str = "*"
    weights: Weights | None = None
    method: Annotated[MergeMethod | None, MethodOf("merge")] = None

    @property
    def bounds(self) -> tuple[int, int | None]:
        return self.start, self.stop

    def place(self, layer: int | None, layers: int) -> Place | None:
        return Place() if layer is not None and self.start <= layer < self.stop else None


class Gradient(Rule, name="gradient", family="rule"):
    """Tensors of layers, with values that go from point to point over the layers `start` to `stop - 1`.

    The points are spread evenly: with three of them the first layer has the first, the middle one the
    second, the last one the third, and layers between two points a mixture of their numbers. `weights` has a
    list for each point, `method` one method in several settings; they need not have equally many. Without
    `stop` the last layer of the model is the last one, and a single layer has the last point. Tensors in no
    layer (embeddings, final norm, head) are left to other rules; with `ends: first` they have the first
    point, as a gradient of mergekit gives them.

    Example:

    ```fuse
    model between = merge {
      base: base
      experts: [math]
      method: slerp(t: 0.5)
      rules: [gradient("*.self_attn.*", method: [slerp(t: 0), slerp(t: 0.3), slerp(t: 1)])]
    }
    ```
    """

    graded: ClassVar[bool] = True

    names: str = "*"
    weights: Annotated[
        tuple[Weights, ...] | None, ListOf(ListOf(Plain("float"))), AfterValidator(_points)
    ] = None
    method: Annotated[tuple[MergeMethod, ...] | None, ListOf(MethodOf("merge")), AfterValidator(_methods)] = (
        None
    )
    start: Annotated[int, Ge(0)] = 0
    stop: Annotated[int, Gt(0)] | None = None
    ends: Literal["apart", "first"] = "apart"

    @property
    def bounds(self) -> tuple[int, int | None]:
        return self.start, self.stop

    def place(self, layer: int | None, layers: int) -> Place | None:
        if layer is None:
            return Place(0, 2) if self.ends == "first" else None
        stop = layers if self.stop is None else self.stop
        return Place(layer - self.start, stop - self.start) if self.start <= layer < stop else None

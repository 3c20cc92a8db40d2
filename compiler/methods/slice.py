"""Ranges of layers, for `stack`."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from fusec.compiler.slots import Model
from fusec.compiler.step import Method


def _finite(scale: float) -> float:
    if not isfinite(scale):
        raise PydanticCustomError("finite", "a finite number")
    return scale


class Slice(Method, name="slice", family="slice"):
    """Layers `start` to `stop - 1` of a model, counted from 0.

    `scale` multiplies the weights of these layers, or of those among their tensors that a pattern of `only`
    names: with `scale: 0` on what a layer adds to its input, the layer passes its input on unchanged.

    Example:

    ```fuse
    model deeper = stack {
      layers: [
        slice(base, start: 0, stop: 2),
        slice(base, start: 1, stop: 2, scale: 0, only: ["*.o_proj.*", "*.down_proj.*"]),
      ]
    }
    ```
    """

    model: Model
    start: Annotated[int, Ge(0)]
    stop: Annotated[int, Gt(0)]
    scale: Annotated[float, AfterValidator(_finite)] | None = None
    only: tuple[str, ...] = ()

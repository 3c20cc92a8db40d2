"""What one step asks of the machine it runs on; never part of what it makes."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fusec.compiler.step import Method


class Cpus(Method, name="cpus", family="resources"):
    """So many processors of one machine, and no GPU.

    Example:

    ```fuse
    data short = text |> filter { keep: len(.text) < 2_000, resources: cpus(4) }
    ```
    """

    count: Annotated[int, Gt(0)]


class Gpus(Method, name="gpus", family="resources"):
    """GPUs for the step: `gpus(8)`, or for each of its parts, `gpus(train: 6, teacher: 2)`.

    The GPUs of a part belong to one machine, so that they reach each other fast; `spread` lets them lie on
    several.

    Example:

    ```fuse
    model tutor = finetune { model: base, data: pairs, resources: gpus(8) }
    ```
    """

    count: Annotated[int, Gt(0)] | None = None
    train: Annotated[int, Gt(0)] | None = None
    teacher: Annotated[int, Gt(0)] | None = None
    spread: bool = False

    @field_validator("train", "teacher")
    @classmethod
    def _one_way_to_say_it(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("count") is not None:
            says = "one number for the whole step, or one for each part"
            raise PydanticCustomError("either", says)
        return value

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Each part with its GPUs; the whole step is a part without a name."""
        parts = (("train", self.train), ("teacher", self.teacher))
        return tuple((name, n) for name, n in parts if n is not None) or (("", self.count or 1),)

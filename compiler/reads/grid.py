"""The blocks that tensors are cut into, to be measured, compared and read one by one."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

BLOCK = 1 << 19
"""Elements in a block: 1 MiB of a 16-bit float."""


def block_count(elements: int, block: int = BLOCK) -> int:
    return -(-elements // block)


def power_of_two(value: int) -> int:
    """The value; an error of its field if it is no power of two."""
    if value & (value - 1):
        raise PydanticCustomError("power_of_two", "a power of two")
    return value

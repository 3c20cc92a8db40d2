"""Where a plan runs."""

from __future__ import annotations

import re
from typing import Annotated

from annotated_types import Gt, MinLen
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from fusec.compiler.methods.device import Device
from fusec.compiler.methods.node import Node
from fusec.compiler.slots import ListOf, MethodOf, Price, Rate, Size
from fusec.compiler.step import Method


class Local(Method, name="local", family="target"):
    """One machine: `cpus` threads at most, and what a plan may use of its memory, disk and GPUs.

    `read_rate` is how fast its disk is read. What is not stated is taken to suffice.

    Example:

    ```fuse
    target laptop = local(cpus: 8, memory: 32 GB, disk: 200 GB)
    ```
    """

    cpus: Annotated[int, Gt(0)] | None = None
    memory: Annotated[Size, Gt(0)] | None = None
    disk: Annotated[Size, Gt(0)] | None = None
    gpus: Annotated[Device, MethodOf("device")] | None = None
    read_rate: Rate | None = None
    price: Price | None = None


def _names_a_head(address: str) -> str:
    if address != "auto" and not re.fullmatch(r"(ray://)?[^\s:/]+:\d{1,5}", address):
        raise PydanticCustomError("address", "`ray://host:10001`, `host:6379` or `auto`")
    return address


class Ray(Method, name="ray", family="target"):
    """A Ray cluster: where its head answers, the machines it has, and the store they share.

    `nodes` lists kinds of machines; plans are placed on them and priced with them. `read_rate` is how fast
    one machine reads the store.

    Example:

    ```fuse
    target cluster = ray(
      address: "ray://head:10001",
      nodes: [node(gpus: h100(8))],
      store: "s3://acme/fusec"
    )
    ```
    """

    address: Annotated[str, AfterValidator(_names_a_head)]
    nodes: Annotated[tuple[Node, ...], ListOf(MethodOf("node")), MinLen(1)]
    store: str
    read_rate: Rate | None = None

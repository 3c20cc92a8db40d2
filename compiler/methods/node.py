"""The machines of a cluster."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt

from fusec.compiler.methods.device import Device
from fusec.compiler.slots import MethodOf, Price, Size
from fusec.compiler.step import Method


class Node(Method, name="node", family="node"):
    """`count` machines that are alike: `node(count: 2, gpus: h100(8), memory: 1.8 TB, price: 42 USD/h)`.

    What is not stated is taken to suffice. `price` is that of one machine; a step pays for the share of the
    machine that it holds, as long as it holds it.

    Example:

    ```fuse
    target cluster = ray(
      address: "ray://head:10001",
      nodes: [node(count: 2, gpus: h100(8), memory: 1.8 TB, price: 42 USD/h)],
      store: "s3://acme/fusec"
    )
    ```
    """

    count: Annotated[int, Gt(0)] = 1
    cpus: Annotated[int, Gt(0)] | None = None
    gpus: Annotated[Device, MethodOf("device")] | None = None
    memory: Annotated[Size, Gt(0)] | None = None
    price: Price | None = None

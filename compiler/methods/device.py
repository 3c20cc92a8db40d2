"""Accelerators a node may have: `gpus: h100(8)`.

Memory and dense bf16 speed are those of the makers' data sheets (NVIDIA, without sparsity; the SXM form
where there are several). What a step reaches of that speed is the cost model's business.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from annotated_types import Gt

from fusec.compiler.step import Method

GB, TFLOPS = 10**9, 1e12


class Device(Method):
    """`count` accelerators of one kind. `flops` are per second in the fastest type that it trains in."""

    count: Annotated[int, Gt(0)] = 1

    memory: ClassVar[int]
    flops: ClassVar[float]
    bf16: ClassVar[bool]

    def __init_subclass__(
        cls, name: str = "", memory: int = 0, flops: float = 0.0, bf16: bool = True, **rest: Any
    ) -> None:
        super().__init_subclass__(name=name, family="device", **rest)
        cls.memory, cls.flops, cls.bf16 = memory, flops, bf16


class B200(Device, name="b200", memory=180 * GB, flops=2250 * TFLOPS):
    """NVIDIA B200: 180 GB, 2250 TFLOP/s in bf16."""


class H200(Device, name="h200", memory=141 * GB, flops=989 * TFLOPS):
    """NVIDIA H200: 141 GB, 989 TFLOP/s in bf16."""


class H100(Device, name="h100", memory=80 * GB, flops=989 * TFLOPS):
    """NVIDIA H100: 80 GB, 989 TFLOP/s in bf16."""


class A100(Device, name="a100", memory=80 * GB, flops=312 * TFLOPS):
    """NVIDIA A100 with 80 GB: 312 TFLOP/s in bf16."""


class L40S(Device, name="l40s", memory=48 * GB, flops=362 * TFLOPS):
    """NVIDIA L40S: 48 GB, 362 TFLOP/s in bf16."""


class L4(Device, name="l4", memory=24 * GB, flops=121 * TFLOPS):
    """NVIDIA L4: 24 GB, 121 TFLOP/s in bf16."""


class A10(Device, name="a10", memory=24 * GB, flops=125 * TFLOPS):
    """NVIDIA A10: 24 GB, 125 TFLOP/s in bf16."""


class V100(Device, name="v100", memory=32 * GB, flops=125 * TFLOPS, bf16=False):
    """NVIDIA V100 with 32 GB: 125 TFLOP/s in fp16; it has no bf16."""


class T4(Device, name="t4", memory=16 * GB, flops=65 * TFLOPS, bf16=False):
    """NVIDIA T4: 16 GB, 65 TFLOP/s in fp16; it has no bf16."""

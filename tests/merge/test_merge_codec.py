"""Conversions are exact: all 65536 patterns of a 16-bit float, and rounding as torch rounds."""

import numpy as np
import pytest
import torch

from fusec.runtime.kernels.merge.codec import STORED, decode, encode, first_nonfinite

TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def as_torch(stored, dtype):
    return torch.from_numpy(stored.view(np.int32 if dtype == "F32" else np.int16)).view(TORCH[dtype])


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_every_pattern_survives(dtype):
    stored = np.arange(1 << 16, dtype=np.uint16).view(STORED[dtype])
    values = np.empty(stored.size, np.float32)
    decode(stored, dtype, values)
    assert torch.equal(
        torch.from_numpy(values).nan_to_num(12345.0), as_torch(stored, dtype).float().nan_to_num(12345.0)
    )
    back = np.empty_like(stored)
    encode(values, dtype, back)
    number = ~np.isnan(values)
    assert np.array_equal(back.view(np.uint16)[number], stored.view(np.uint16)[number])
    decode(back, dtype, again := np.empty_like(values))
    assert np.array_equal(np.isnan(again), ~number)


@pytest.mark.parametrize("dtype", STORED)
def test_rounds_as_torch_does(dtype):
    """Random patterns, and all halfway points between neighbours with their neighbours in float32."""
    random = np.random.default_rng(0).integers(0, 1 << 32, 1 << 18, dtype=np.uint32)
    halfway = np.arange(1 << 16, dtype=np.uint32) << 16 | 0x8000
    patterns = np.concatenate([random, halfway - 1, halfway, halfway + 1, halfway >> 3])
    values = patterns.view(np.float32)
    values = values[~np.isnan(values)]
    out = np.empty(values.size, STORED[dtype])
    encode(values, dtype, out)
    want = torch.from_numpy(values).to(TORCH[dtype])
    assert torch.equal(as_torch(out, dtype).view(torch.uint8), want.view(torch.uint8))


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_finds_the_first_that_is_not_finite(dtype, value):
    values = np.array([0, 1, 3e4, value, 0, value], np.float32)
    stored = np.empty(6, STORED[dtype])
    encode(values, dtype, stored)
    assert first_nonfinite(stored, dtype) == 3
    assert first_nonfinite(stored[:3], dtype) is None
    assert first_nonfinite(stored[:0], dtype) is None

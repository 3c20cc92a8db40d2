"""One place where chance, threads and algorithm choice are pinned down."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed32(seed: int) -> int:
    """`seed` folded to the 32 bits that numpy takes."""
    return seed % 2**32


@contextmanager
def deterministic(seed: int, threads: int) -> Iterator[None]:
    """A scope in which the same work gives the same bytes on the same stack and kind of device.

    Seeds Python, numpy and torch (every device), gives torch `threads` threads and lets it choose only
    deterministic algorithms. All of it is put back at the end. Sums over threads are cut differently for
    another count, so equal bytes need equal `threads`.
    """
    python, numpy, torch_cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    had_threads = torch.get_num_threads()
    had_deterministic = torch.are_deterministic_algorithms_enabled()
    had_warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    had_benchmark = torch.backends.cudnn.benchmark
    # cuBLAS reads this when its first handle is made, so it stays set: it only reserves a workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        random.seed(seed32(seed))
        np.random.seed(seed32(seed))
        torch.manual_seed(seed32(seed))
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        yield
    finally:
        torch.backends.cudnn.benchmark = had_benchmark
        torch.use_deterministic_algorithms(had_deterministic, warn_only=had_warn_only)
        torch.set_num_threads(had_threads)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        torch.set_rng_state(torch_cpu)
        np.random.set_state(numpy)
        random.setstate(python)

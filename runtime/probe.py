"""How fast this machine is where it counts for plans: the disk of a store, products of matrices, decoding.

Reads are of files that the page cache has let go of. Each speed is measured several times; the range around
the middle one leaves room for a machine that has other things to do.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from fusec.compiler.cost import Range
from fusec.compiler.measured import Probe
from fusec.runtime.durable import full_disk_is_clear
from fusec.runtime.hardware import hardware

if TYPE_CHECKING:
    import torch

_CHUNK = 4 << 20


class Effort(NamedTuple):
    """`size` is of the file, in bytes; `side` of the matrices; each speed is measured `rounds` times."""

    size: int = 256 << 20
    side: int = 1536
    rounds: int = 5


FULL = Effort()


def probe(store: Path, effort: Effort = FULL) -> Probe:
    """Measure the disk that `store` lies on and this machine; takes some seconds and leaves no file.

    Raises `RunError` when the disk is full.
    """
    threads = os.cpu_count() or 1
    disk = [_disk(store, effort.size) for _ in range(effort.rounds)]
    return Probe(
        date=time.strftime("%Y-%m-%d"),
        hardware=hardware(),
        threads=threads,
        read=_range([read for _, read in disk]),
        write=_range([write for write, _ in disk]),
        flops=(_products(effort, 1), _products(effort, threads)),
        decode=_decoding(effort),
    )


def _range(speeds: list[float]) -> Range:
    return Range(min(speeds) / 2, median(speeds), max(speeds) * 1.25)


def _disk(store: Path, size: int) -> tuple[float, float]:
    """Bytes per second of one sequential write with its sync, and of one read from a cold cache."""
    path = store / "staging" / f"probe-{secrets.token_hex(4)}"
    data = secrets.token_bytes(_CHUNK)  # disks that compress would be faster with anything else
    rounds = max(1, size // _CHUNK)
    try:
        with full_disk_is_clear(path, size), path.open("xb", buffering=0) as file:
            begin = time.perf_counter()
            for _ in range(rounds):
                file.write(data)
            os.fsync(file.fileno())
            wrote = time.perf_counter() - begin
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(_CHUNK)
        with path.open("rb", buffering=0) as file:
            begin = time.perf_counter()
            while file.readinto(buffer):
                pass
            read = time.perf_counter() - begin
    finally:
        path.unlink(missing_ok=True)
    return rounds * _CHUNK / wrote, rounds * _CHUNK / read


def _products(effort: Effort, threads: int) -> Range:
    """fp32 operations per second in products of square matrices."""
    import torch

    with _threads(torch.get_num_threads(), threads, torch.set_num_threads):
        a, b = (torch.ones(effort.side, effort.side) for _ in "ab")
        out = torch.empty_like(a)
        return _range(_speeds(lambda: torch.mm(a, b, out=out), 2.0 * effort.side**3, effort.rounds))


def _decoding(effort: Effort) -> Range:
    """Bytes per second of bfloat16 that one thread widens to fp32, tile by tile of an array beyond caches."""
    import numpy as np

    from fusec.runtime.kernels.merge.codec import decode

    stored = np.ones(max(effort.size // 8, 1), np.uint16)
    tile = np.empty(min(1 << 18, stored.size), np.float32)

    def widen() -> None:
        for at in range(0, stored.size - tile.size + 1, tile.size):
            decode(stored[at : at + tile.size], "BF16", tile)

    tiles = stored.size // tile.size
    return _range(_speeds(widen, 2.0 * tiles * tile.size, effort.rounds))


def _speeds(work: Callable[[], torch.Tensor | None], amount: float, rounds: int) -> list[float]:
    work()  # the first time also pays for pages and threads
    speeds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        speeds.append(amount / (time.perf_counter() - begin))
    return speeds


@contextmanager
def _threads(before: int, now: int, use: Callable[[int], None]) -> Iterator[None]:
    use(now)
    try:
        yield
    finally:
        use(before)

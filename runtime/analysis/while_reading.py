"""Measures models while something else reads them, so that a full merge leaves their columns behind.

tap = WhileReading(store, base, experts)
# on any thread, for one range of a tensor of the base:
if recorder := tap.recorder(tensor, start, stop):
    recorder.add(at, [base_bytes, *expert_bytes])    # tiles of any size, in order, at any position
analysis = tap.finish()                              # reads what nobody has read, and writes the columns
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.grid import BLOCK
from fusec.runtime.analysis.analyse import Analysis, Campaign
from fusec.runtime.analysis.columns import Columns
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.groups import Group, span
from fusec.runtime.analysis.units import Buffers, Measured, RangeMeter
from fusec.runtime.sources.safetensors_header import BITS

U8 = NDArray[np.uint8]


class WhileReading:
    """Columns of a base and its experts in the making; safe to share between threads."""

    def __init__(
        self,
        store: ColumnsStore,
        base: Path,
        experts: Sequence[Path],
        *,
        keep: Sequence[str] = (),
        gram: bool = False,
        block: int = BLOCK,
    ) -> None:
        """Raises RunError for what is no model, or does not fit the base, or for an adapter."""
        self._campaign = Campaign(store, experts, base, keep=keep, gram=gram, block=block, patient=False)
        self._lock = threading.Lock()
        self._columns: dict[str, Columns] = {}
        self._spare: list[Buffers] = []

    def recorder(self, tensor: str, start: int, stop: int) -> Recorder | None:
        """For flat indices of a tensor of the base that all models are read at, None where that is no use.

        A range starts at a multiple of a block and of a leaf, and stops at one or at the end of the tensor.
        """
        owned = self._campaign.compared.get(tensor)
        if owned is None:
            return None
        step = span(self._campaign.block)
        assert start % step == 0 and (stop % step == 0 or stop == owned.group.elements)
        with self._lock:
            buffers = self._spare.pop() if self._spare else Buffers()
        return Recorder(self, owned.group, start, stop, self._campaign.block, buffers)

    def finish(self, threads: int = 1) -> Analysis:
        """Reads what was not read in full by others, and writes all columns to the catalog.

        Every model was to be read in the state in which it was when this began; RunError if one changed.
        """
        for owned in self._campaign.compared.values():
            owned.group.forget()  # a part of it may have been counted
        self._columns.clear()
        self._spare.clear()
        return self._campaign.finish(threads)

    def collect(self, tensor: str, start: int, stop: int, measured: Measured, buffers: Buffers) -> None:
        """One whole range of a tensor, from its recorder, which is done with its memory."""
        owned = self._campaign.compared[tensor]
        with self._lock:
            self._spare.append(buffers)
            if tensor not in self._columns:
                self._columns[tensor] = Columns(owned.group, self._campaign.block)
            self._columns[tensor].put(start, stop, measured)
            if self._columns[tensor].complete:
                self._campaign.add(owned, self._columns.pop(tensor))


class Recorder:
    """One range; used by one thread at a time. Done when all its elements were added."""

    def __init__(
        self, tap: WhileReading, group: Group, start: int, stop: int, block: int, buffers: Buffers
    ) -> None:
        self._tap, self._group, self._start, self._stop, self._at = tap, group, start, stop, start
        self._buffers, self._meter = buffers, RangeMeter(group, start, stop, block, buffers)
        self._bits = [BITS[source.tensor.dtype] if source else 0 for source in group.sources()]
        self._held = [
            buffers.array(f"stored {number}", (self._meter.tile_size * bits // 8,), np.uint8)
            for number, bits in enumerate(self._bits)
        ]
        self._filled = 0

    def add(self, at: int, stored: Sequence[U8 | None]) -> None:
        """The next stored bytes of the base and each expert, None for one that stores nothing there.

        Tiles come in order without gaps; all of one call hold equally many elements.
        """
        assert at == self._at + self._filled and stored[0] is not None
        count, taken = stored[0].nbytes * 8 // self._bits[0], 0
        while taken < count:
            fits = min(self._meter.tile_size - self._filled, count - taken)
            for held, raw, bits in zip(self._held, stored, self._bits, strict=True):
                if raw is not None:
                    here = slice(self._filled * bits // 8, (self._filled + fits) * bits // 8)
                    held[here] = raw.view(np.uint8)[taken * bits // 8 : (taken + fits) * bits // 8]
            taken, self._filled = taken + fits, self._filled + fits
            if self._filled == self._meter.tile_size or self._at + self._filled == self._stop:
                self._measure()

    def _measure(self) -> None:
        held, count = self._held, self._filled
        self._meter.tile(self._at, count, lambda n: held[n][: count * self._bits[n] // 8])
        self._at, self._filled = self._at + count, 0
        if self._at == self._stop:
            name = self._group.base.tensor.name
            self._tap.collect(name, self._start, self._stop, self._meter.finish(), self._buffers)

"""Labelled tokens cut to the context and spooled to disk, so their number is not bound by memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.train.encode import IGNORED, Encoded, Tokens


@dataclass(frozen=True)
class Sequences:
    """Token sequences of different length, memory-mapped; `torch.utils.data` takes it as a dataset.

    `starts` has one more entry than there are sequences; `row` is where each one began in the data,
    counted from 1.
    """

    ids: Tokens
    labels: Tokens
    starts: NDArray[np.int64]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, n: int) -> tuple[Tokens, Tokens]:
        part = slice(self.starts[n], self.starts[n + 1])
        return self.ids[part], self.labels[part]

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


# --- three ways to cut ---------------------------------------------------------


def pack(encoded: Iterable[Encoded], context: int) -> Iterator[Encoded]:
    """All rows end to end, cut every `context` tokens; the last block is as long as what is left."""
    block: list[Encoded] = []
    room = context
    for one in encoded:
        start = 0
        while start < len(one.ids):
            piece = _part(one, start, start + room)
            block.append(piece)
            start += len(piece.ids)
            room -= len(piece.ids)
            if room == 0:
                yield _join(block)
                block, room = [], context
    if block:
        yield _join(block)


def truncate(encoded: Iterable[Encoded], context: int, cut: list[int]) -> Iterator[Encoded]:
    """One sequence per row, its first `context` tokens; the rows that lose tokens are added to `cut`.

    Raises RunError when nothing that counts is left.
    """
    for one in encoded:
        kept = _part(one, 0, context)
        if len(kept.ids) < len(one.ids):
            cut.append(one.row)
        if (kept.labels[1:] == IGNORED).all():
            raise RunError(
                f"row {one.row} has no token of a response within its first {context} tokens",
                hint="raise `context`, or filter rows by tokens(.prompt, by: ...)",
            )
        yield kept


def windows(encoded: Iterable[Encoded], context: int) -> Iterator[Encoded]:
    """Every row cut into disjoint windows of `context` tokens; a row never shares a window."""
    for one in encoded:
        for start in range(0, len(one.ids), context):
            yield _part(one, start, start + context)


def _part(one: Encoded, start: int, end: int) -> Encoded:
    return Encoded(one.row, one.ids[start:end], one.labels[start:end])


def _join(block: list[Encoded]) -> Encoded:
    ids, labels = (np.concatenate(tokens) for tokens in zip(*((e.ids, e.labels) for e in block), strict=True))
    return Encoded(block[0].row, ids, labels)


# --- spool ---------------------------------------------------------------------


@contextmanager
def scratch_folder(ctx: Context) -> Iterator[Path]:
    """A folder that is gone afterwards, on the disk of the result: it is the one with room for large data.

    Hidden, so it is no part of the result, and a crash leaves it to the store to remove.
    """
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=ctx.out) as folder:
        yield Path(folder)


def spool(encoded: Iterable[Encoded], folder: Path) -> Sequences:
    """The sequences as two flat files in `folder`. Raises RunError when no token counts at all.

    The first token of a sequence has nothing before it, so it is read and never counts. Sequences in
    which nothing counts are left out.
    """
    starts, row = [0], []
    with (folder / "ids").open("wb") as ids, (folder / "labels").open("wb") as labels:
        for one in encoded:
            marked = one.labels.copy()
            marked[0] = IGNORED
            if (marked == IGNORED).all():
                continue
            ids.write(one.ids.tobytes())
            labels.write(marked.tobytes())
            starts.append(starts[-1] + len(one.ids))
            row.append(one.row)
    if not row:
        raise RunError(
            "the data holds no text to learn from or to score", hint="look at the rows that reach it"
        )
    return Sequences(
        ids=np.memmap(folder / "ids", np.int32, "r"),
        labels=np.memmap(folder / "labels", np.int32, "r"),
        starts=np.array(starts, np.int64),
        row=np.array(row, np.int64),
    )


def collate(batch: list[tuple[Tokens, Tokens]]) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask`, `labels`: int64 [batch, longest], padded on the right."""
    longest = max(len(ids) for ids, _ in batch)
    input_ids = torch.zeros(len(batch), longest, dtype=torch.int64)
    mask = torch.zeros_like(input_ids)
    labels = torch.full_like(input_ids, IGNORED)
    for n, (ids, marked) in enumerate(batch):
        input_ids[n, : len(ids)] = torch.from_numpy(ids.astype(np.int64))
        mask[n, : len(ids)] = 1
        labels[n, : len(ids)] = torch.from_numpy(marked.astype(np.int64))
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels}

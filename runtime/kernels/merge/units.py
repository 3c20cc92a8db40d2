"""The jobs of a merge cut into what workers take one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

from fusec.runtime.kernels.merge.match import Identical, Job, Merge, SameHead
from fusec.runtime.kernels.merge.operator import Operator, Operators
from fusec.runtime.kernels.merge.tiles import TensorView, TileView, row_length

# Elements that one worker takes at a time where tensors may be split: whole blocks of every size we use.
SPAN = 1 << 22


@dataclass(frozen=True)
class Unit:
    """A copy or check, or a merge between two flat indices."""

    job: Job
    start: int = 0
    stop: int = 0
    buffers: int = 0

    def tiles(self, part: TensorView, operator: Operator) -> Iterator[TileView]:
        """The tiles of this unit, as the operator wants them; small enough for `buffers` at least."""
        buffers = max(self.buffers, operator.buffers)
        match operator.grain:
            case "tensor":
                return part.whole(buffers)
            case "rows":
                return part.row_tiles(buffers)
            case "elements" | "ordered":
                return part.tiles(buffers)


def units_of(jobs: Sequence[Job], operators: Operators) -> list[Unit]:
    """The work in the order in which it is to start."""
    return [unit for job in jobs for unit in _units(job, operators)]


def _units(job: Job, operators: Operators) -> list[Unit]:
    if not isinstance(job, Merge):
        return [Unit(job)]
    elements = job.base.tensor.elements
    match operators(job.target.name).grain:
        case "elements" | "rows" as grain:
            whole = row_length(job.base.tensor.shape) if grain == "rows" else 1
            if job.reads is not None:  # a block that two workers read is sealed by neither
                whole = lcm(whole, job.reads.block)
            step = max(1, SPAN // whole) * whole
        case "ordered" | "tensor":
            step = max(1, elements)
    return [Unit(job, at, min(at + step, elements)) for at in range(0, elements, step)]


def written_by(job: Job) -> int:
    """Bytes of the result that a job makes."""
    if isinstance(job, SameHead) or (isinstance(job, Identical) and not job.written):
        return 0
    return job.target.bytes

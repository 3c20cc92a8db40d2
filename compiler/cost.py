"""What work will use, as ranges: bytes, floating-point operations, tokens, memory, seconds.

Verbs state quantities; `Rates` turn them into seconds. Rates are a built-in table until a machine has
been probed, and what steps took corrects both; a plan says which it used.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Range(msgspec.Struct, frozen=True):
    """Low, likely and high value of one quantity in its base unit."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(self.low * factor, self.likely * factor, self.high * factor)


def exactly(value: float) -> Range:
    """A quantity known before anything runs."""
    return Range(float(value), float(value), float(value))


def about(value: float, spread: float) -> Range:
    """A quantity known up to a factor: `about(100, 2)` is 50 .. 100 .. 200."""
    return Range(value / spread, float(value), value * spread)


class Cost(msgspec.Struct, frozen=True):
    """What one step uses. `expert_reads` is the part of `reads` that a merge budget binds, `teacher` the
    part of `tokens` that a teacher reads or writes."""

    reads: Range = Range()
    writes: Range = Range()
    expert_reads: Range = Range()
    flops: Range = Range()
    tokens: Range = Range()
    memory: Range = Range()
    teacher: Range = Range()

    def reading(self, experts: Range) -> Cost:
        """The same work with these bytes read of experts."""
        old = self.expert_reads
        others = Range(self.reads.low - old.low, self.reads.likely - old.likely, self.reads.high - old.high)
        return msgspec.structs.replace(self, reads=others + experts, expert_reads=experts)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.reads + other.reads,
            self.writes + other.writes,
            self.expert_reads + other.expert_reads,
            self.flops + other.flops,
            self.tokens + other.tokens,
            Range(*(max(a, b) for a, b in zip(_triple(self.memory), _triple(other.memory), strict=True))),
            self.teacher + other.teacher,
        )


def _triple(r: Range) -> tuple[float, float, float]:
    return r.low, r.likely, r.high


class Rates(msgspec.Struct, frozen=True):
    """Speeds of a device: bytes per second from and to storage, of experts' weights made into numbers, and
    floating-point operations per second."""

    name: str
    read: Range
    write: Range
    flops: Range
    decode: Range

    def parts(self, cost: Cost) -> tuple[tuple[Range, Range], ...]:
        """Amounts beside their speeds: reading, decoding, computing, writing, one after another."""
        return (
            (cost.reads, self.read),
            (cost.expert_reads, self.decode),
            (cost.flops, self.flops),
            (cost.writes, self.write),
        )

    def likely(self, cost: Cost) -> float:
        """Seconds of likely amounts at likely speeds, without what a step takes however small it is."""
        return sum(amount.likely / speed.likely for amount, speed in self.parts(cost))


# Orders of magnitude for one CPU core with AVX2 in fp32 and a local NVMe disk, measured on small models.
LOCAL_CPU = Rates(
    name="local cpu",
    read=Range(3e8, 1e9, 3e9),
    write=Range(1e8, 5e8, 2e9),
    flops=Range(1e10, 6e10, 2e11),
    decode=Range(1e9, 4e9, 1.6e10),
)

# Seconds that libraries take to load, once in a process: the first step that needs one pays for it.
LOADING = {"pyarrow": 0.3, "torch": 1.2, "transformers": 2.2}
TORCH = ("torch", "transformers")


def total(costs: Iterable[Cost]) -> Cost:
    out = Cost()
    for cost in costs:
        out = out + cost
    return out

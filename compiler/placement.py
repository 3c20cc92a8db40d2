"""Where the steps of a plan run: what a target has, what a step asks for, and whether they meet.

A GPU step without `resources` takes one GPU where there is one; any other takes a whole machine, those
without GPUs first. The GPUs of one part of a step lie in one machine unless the step lets them spread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fusec.compiler.cost import Cost
from fusec.compiler.methods.device import Device
from fusec.compiler.methods.node import Node
from fusec.compiler.methods.resources import Cpus, Gpus
from fusec.compiler.methods.target import Local, Ray
from fusec.compiler.step import Step
from fusec.compiler.typed import TypedTarget
from fusec.compiler.values import Measure
from fusec.lang import tree
from fusec.lang.codes.fuse206_units_differ import UnitsDiffer
from fusec.lang.codes.fuse502_not_reachable import NotReachable
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span

Path = tuple[str | int, ...]


class Pool(msgspec.Struct, frozen=True):
    """`count` machines that are alike; `path` leads to them in the text. None is what nobody has stated."""

    count: int
    cpus: int | None
    gpus: int
    device: type[Device] | None
    memory: int | None
    price: Measure | None
    path: Path


class Ask(msgspec.Struct, frozen=True):
    """What one step asks for: `groups` are its parts with their GPUs, and `cpus` None a whole machine.

    `memory`, in bytes, is what its first group needs on its GPUs, or the step on its machine.
    """

    cpus: int | None = None
    groups: tuple[tuple[str, int], ...] = ()
    spread: bool = False
    memory: float = 0.0
    bf16: bool = False

    @property
    def gpus(self) -> int:
        return sum(count for _, count in self.groups)


class Place(msgspec.Struct, frozen=True):
    """Where one step runs: the pool of each of its groups, or of its processors."""

    ask: Ask
    pools: tuple[int, ...]


def pools_of(target: TypedTarget) -> tuple[Pool, ...]:
    """The machines of a target."""
    value = target.value
    if isinstance(value, Local):
        return (_pool(1, value, ()),)
    assert isinstance(value, Ray)
    return tuple(_pool(node.count, node, ("nodes", at)) for at, node in enumerate(value.nodes))


def _pool(count: int, has: Local | Node, path: Path) -> Pool:
    gpus, device = (has.gpus.count, type(has.gpus)) if has.gpus is not None else (0, None)
    return Pool(count, has.cpus, gpus, device, has.memory, has.price, path)


def ask_of(step: Step, cost: Cost, pools: Sequence[Pool]) -> Ask:
    """What a step of that cost asks for, by its `resources` or by its kind."""
    memory = cost.memory.likely
    match step.resources:
        case Cpus(count=count):
            return Ask(cpus=count, memory=memory)
        case Gpus() as gpus:
            return Ask(groups=gpus.groups, spread=gpus.spread, memory=memory, bf16=step.needs_bf16)
    if step.on_gpu and any(pool.gpus for pool in pools):
        return Ask(groups=(("", 1),), memory=memory, bf16=step.needs_bf16)
    return Ask(memory=memory)


def place(ask: Ask, pools: Sequence[Pool]) -> Place | None:
    """Where the step can run, the same for equal arguments; None when the machines can never hold it."""
    able = [at for at, pool in enumerate(pools) if holds(pool, ask)]
    if not ask.groups:
        return Place(ask, (min(able, key=lambda at: (pools[at].gpus > 0, at)),)) if able else None
    if ask.spread:
        if ask.gpus > sum(pools[at].count * pools[at].gpus for at in able):
            return None
        return Place(ask, (max(able, key=lambda at: (pools[at].gpus, -at)),) * len(ask.groups))
    # No more machines than groups can be in use, so more need not be looked at.
    nodes = [
        Free(at, pool.gpus) for at, pool in enumerate(pools) for _ in range(min(pool.count, len(ask.groups)))
    ]
    found = _pack(tuple(count for _, count in ask.groups), tuple(nodes), frozenset(able))
    return None if found is None else Place(ask, found)


def roomier(ask: Ask, pools: Sequence[Pool]) -> Ask | None:
    """The step on the fewest GPUs that give it enough memory, spread where they must be; None without any."""
    if not ask.groups:
        return None
    (name, count), *others = ask.groups
    enough = {math.ceil(ask.memory / pool.device.memory) for pool in pools if pool.device is not None}
    for spread in dict.fromkeys((ask.spread, True)):
        for gpus in sorted(n for n in enough if n > count):
            more = msgspec.structs.replace(ask, groups=((name, gpus), *others), spread=spread)
            if place(more, pools) is not None:
                return more
    return None


class Free(NamedTuple):
    """The GPUs that are still free in one machine of a pool."""

    pool: int
    gpus: int


def holds(pool: Pool, ask: Ask) -> bool:
    """Whether machines of a pool are large enough for the first group of a step, or for all of it."""
    if not ask.groups:
        enough = pool.memory is None or ask.memory <= pool.memory
        return enough and (pool.cpus is None or (ask.cpus or 1) <= pool.cpus)
    if pool.device is None or (ask.bf16 and not pool.device.bf16):
        return False
    return ask.memory <= ask.groups[0][1] * pool.device.memory


def _pack(
    wanted: tuple[int, ...], nodes: tuple[Free, ...], first_in: frozenset[int]
) -> tuple[int, ...] | None:
    """A pool for each of `wanted` such that no machine gives more than it has; tries every way."""
    if not wanted:
        return ()
    able = {node for node in nodes if node.gpus >= wanted[0] and node.pool in first_in}
    for node in sorted(able, key=lambda node: (node.gpus, node.pool)):
        left = list(nodes)
        left[left.index(node)] = Free(node.pool, node.gpus - wanted[0])
        found = _pack(wanted[1:], tuple(left), frozenset(n.pool for n in nodes))
        if found is not None:
            return (node.pool, *found)
    return None


def currencies_differ(target: TypedTarget) -> tuple[Diagnostic, ...]:
    """Prices of one target add up, so they are all in one currency."""
    priced = [pool for pool in pools_of(target) if pool.price is not None]
    found: list[Diagnostic] = []
    for pool in priced[1:]:
        first, price = priced[0].price, pool.price
        assert first is not None and price is not None
        if price.kind != first.kind:
            at = place_in_text(target, (*pool.path, "price"))
            wants = f"Price[{first.kind}], as its other machines have"
            found.append(
                UnitsDiffer(at=at, got=f"`{price}` is a Price[{price.kind}]", wants=wants, what=target.name)
            )
    return tuple(found)


def unreachable_store(target: TypedTarget) -> tuple[Diagnostic, ...]:
    """A store that every machine of a cluster would look for in another folder."""
    value = target.value
    if not isinstance(value, Ray) or value.store.startswith("/") or ":" in value.store.split("/", 1)[0]:
        return ()
    at = place_in_text(target, ("store",))
    return (NotReachable(at=at, store=value.store, target=target.name),)


def place_in_text(target: TypedTarget, path: Path) -> Span:
    """The text of a part of a target, or of the least whole around it where a name stands for it."""
    expr = target.expr
    for step in path:
        inner: tree.Expr | None = None
        if isinstance(step, str) and isinstance(expr, tree.Call):
            inner = next((arg.value for arg in expr.args if arg.name and arg.name.id == step), None)
        elif isinstance(step, int) and isinstance(expr, tree.List):
            inner = expr.items[step]
        if inner is None:
            break
        expr = inner
    return expr.span

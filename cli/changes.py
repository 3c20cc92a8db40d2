"""What changed between two ways to make a result: slots, inputs, sources, and the chain behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from fusec.compiler.identity import OUTSIDE, graph_ids
from fusec.compiler.ir import Call, Graph, Node, Pairs, Ref, map_refs, refs
from fusec.compiler.irvalues import write_value
from fusec.compiler.rowpass import unfused
from fusec.compiler.slots import Amount, Want
from fusec.compiler.step import Step, find_verb
from fusec.lang.units import quantity_text

SHORT = 60


class Change(NamedTuple):
    """One thing about a node that is not as it was; texts are for people and empty where there is nothing."""

    what: Literal["slot", "inputs", "content", "verb", "revision", "package"]
    slot: str
    was: str
    now: str


class Cause(NamedTuple):
    """A change that reaches a result; `path` leads from the node that changed to the result."""

    node: str
    change: Change
    path: tuple[str, ...]


class Version(NamedTuple):
    """A graph and the identity of each of its nodes."""

    graph: Graph
    ids: Mapping[str, str]


def version_of(graph: Graph) -> Version:
    """The graph as it was written: a step done in one pass with others is a node like any other."""
    written = unfused(graph)
    return Version(written, graph_ids(written))


def causes(before: Version, after: Version, name: str) -> list[Cause]:
    """Why node `name`, which both have, is another result now; each node that changed speaks once."""
    return list(_causes(before, after, name, (), set()))


def _causes(
    before: Version, after: Version, name: str, path: tuple[str, ...], seen: set[str]
) -> Iterator[Cause]:
    if name in seen:
        return
    seen.add(name)
    path = (name, *path)
    for change in changes_of(before, after, name):
        yield Cause(name, change, path)
    for other in _changed_inputs(before, after, name):
        yield from _causes(before, after, other, path, seen)


def changes_of(before: Version, after: Version, name: str) -> list[Change]:
    """What changed about the node itself; inputs that only became other results are not among it."""
    old, new = before.graph.nodes[name], after.graph.nodes[name]
    if old.verb != new.verb:
        return [Change("verb", "", old.verb, new.verb)]
    found = []
    if old.revision != new.revision:
        found.append(Change("revision", "", str(old.revision), str(new.revision)))
    if old.packages != new.packages:
        pins = [", ".join(pin.short for pin in node.packages) or "no package" for node in (old, new)]
        found.append(Change("package", "", *pins))
    if "pin" in dict(new.slots) and new.slot("pin") != old.slot("pin"):
        found.append(Change("content", "pin", old.slot("pin"), new.slot("pin")))
    verb = find_verb(new.verb)
    assert verb is not None, f"no verb {new.verb}"
    return found + [
        change
        for slot, was, now in _slots(old, new)
        if slot not in OUTSIDE and slot != "pin"
        for change in _slot_changes(before, after, verb, slot, was, now)
    ]


def _changed_inputs(before: Version, after: Version, name: str) -> Iterator[str]:
    """Inputs that both have under one name and that are other results now."""
    had = {ref.node for ref in before.graph.nodes[name].inputs}
    for ref in dict.fromkeys(ref.node for ref in after.graph.nodes[name].inputs):
        if ref in had and before.ids[ref] != after.ids[ref]:
            yield ref


def _slots(old: Node, new: Node) -> Iterator[tuple[str, Any, Any]]:
    was, now = dict(old.slots), dict(new.slots)
    for slot in (*now, *(slot for slot in was if slot not in now)):
        yield slot, was.get(slot), now.get(slot)


def _slot_changes(
    before: Version, after: Version, verb: type[Step], slot: str, was: Any, now: Any
) -> Iterator[Change]:
    want = verb.wants().get(slot)  # none for the columns that a step adds
    any_order = verb.order is not Step.order
    if isinstance(was, Call) and isinstance(now, Call) and was.name == now.name:
        old, new = dict(was.args), dict(now.args)
        for arg in (*new, *(arg for arg in old if arg not in new)):
            if old.get(arg) != new.get(arg):
                yield Change("slot", f"{slot}.{arg}", _text(None, old.get(arg)), _text(None, new.get(arg)))
        return
    lost, gained = _only_here(was, before, now, after), _only_here(now, after, was, before)
    if {*map(str, lost)} != {*map(str, gained)}:
        yield Change("inputs", slot, _names(lost), _names(gained))
        return
    names_now = {(after.ids[ref.node], ref.key): ref for ref in refs(now)}
    was = map_refs(was, lambda ref: names_now.get((before.ids[ref.node], ref.key), ref))
    if any_order:
        was, now = _sorted(was), _sorted(now)
    if was != now:
        yield Change("slot", slot, _text(want, was), _text(want, now))


def _only_here(mine: Any, here: Version, theirs: Any, there: Version) -> list[Ref]:
    """The references of `mine` to results that `theirs` does not refer to."""
    known = {(there.ids[ref.node], ref.key) for ref in refs(theirs)}
    return [ref for ref in refs(mine) if (here.ids[ref.node], ref.key) not in known]


def _sorted(value: Any) -> Any:
    """A list of references, with weights or without, by name."""
    if isinstance(value, Pairs):
        return Pairs(tuple(sorted(value.items, key=str)))
    if isinstance(value, tuple) and any(isinstance(item, Ref) for item in value):
        return tuple(sorted(value, key=str))
    return value


def _names(refs: list[Ref]) -> str:
    return ", ".join(str(ref)[1:] for ref in refs)


def _text(want: Want | None, value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(want, Amount) and isinstance(value, (int, float)):  # one number, not a map of them
        return quantity_text(value, want.dimension, want.kind)
    text = write_value(value).replace("%", "")
    return text if len(text) <= SHORT else f"{text[: SHORT - 2]}.."

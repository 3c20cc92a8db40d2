"""Steps and methods as nodes and calls of a graph, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from fusec.compiler.ir import Call, Node, Pairs, Ref
from fusec.compiler.slots import (
    Input,
    Keyed,
    ListOf,
    Many,
    MethodOf,
    One,
    Want,
    Weighted,
    WeightedMany,
)
from fusec.compiler.step import COMMON, Method, Step, find_verb, full_name, method_called
from fusec.lang.types import Type, Unknown


def lower_value(value: Any) -> Any:
    """A slot's value as IR."""
    if isinstance(value, Input):
        return value.ref
    if isinstance(value, Method):
        args = tuple((k, lower_value(getattr(value, k))) for k in type(value).model_fields)
        return Call(full_name(value), args)
    if isinstance(value, tuple) and value and isinstance(value[0], Weighted):
        if all(item.weight is None for item in value):
            return tuple(item.input.ref for item in value)
        return Pairs(tuple((item.input.ref, item.weight) for item in value))
    if isinstance(value, tuple) and value and isinstance(value[0], Keyed):
        if all(item.key == "" for item in value):
            return tuple(item.input.ref for item in value)
        return Pairs(tuple((item.key, item.input.ref) for item in value))
    if isinstance(value, tuple):
        return tuple(lower_value(item) for item in value)
    return value


def lower_slots(step: Step) -> tuple[tuple[str, Any], ...]:
    """Every slot that can change the result, with its resolved value, in declaration order."""
    names = (name for name in type(step).model_fields if name not in COMMON)
    return tuple((name, lower_value(getattr(step, name))) for name in names)


def raise_step(node: Node, types: dict[Ref, Type]) -> Step:
    """The step a node was lowered from; `types` gives the type of each reference."""
    cls = find_verb(node.verb)
    assert cls is not None, f"no verb {node.verb}"
    wants = cls.wants()
    return cls(**{name: _raise_value(value, wants[name], types) for name, value in node.slots})


def raise_methods(calls: Iterable[Call], family: str) -> tuple[Method, ...]:
    """The methods that calls of a graph stand for, with results among their arguments of unknown type."""
    types: dict[Ref, Type] = defaultdict(Unknown)
    return tuple(_raise_value(call, MethodOf(family), types) for call in calls)


def takes_results(method: Method) -> bool:
    """Whether a method has results among its arguments, such as data."""
    return any(isinstance(want, (One, Many, WeightedMany)) for want in type(method).wants().values())


def _raise_value(value: Any, want: Want, types: dict[Ref, Type]) -> Any:
    if value is None:
        return None
    if isinstance(want, One):
        return Input(value, types[value])
    if isinstance(want, MethodOf):
        cls = method_called(value.name, want.family)
        wants = cls.wants()
        return cls(**{name: _raise_value(arg, wants[name], types) for name, arg in value.args})
    if isinstance(want, ListOf) and isinstance(want.item, MethodOf):
        return tuple(_raise_value(item, want.item, types) for item in value)
    if isinstance(want, WeightedMany):
        pairs: tuple[tuple[Any, Any], ...]
        pairs = value.items if isinstance(value, Pairs) else tuple((ref, None) for ref in value)
        return tuple(Weighted(Input(ref, types[ref]), weight) for ref, weight in pairs)
    if isinstance(want, Many):
        pairs = value.items if isinstance(value, Pairs) else tuple(("", ref) for ref in value)
        return tuple(Keyed(key, Input(ref, types[ref])) for key, ref in pairs)
    return value

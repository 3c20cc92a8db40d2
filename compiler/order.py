"""Declarations in an order in which each stands behind those it mentions.

The checker follows names in any order, but every step back is a call inside a call. A chain of thousands that
stands in reverse would exhaust the stack; brought into this order, no call is deep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import msgspec

from fusec.compiler.module import Module, Named
from fusec.lang import tree


def needed_first(module: Module) -> Module:
    """The same module with its names in that order. Cycles keep the order of the text."""
    named: dict[str, Named] = {}
    met: set[str] = set()
    for first in module.named:
        waiting = [(first, _mentions(module.named[first]))]
        while waiting:
            name, needs = waiting[-1]
            met.add(name)
            need = next((n for n in needs if n in module.named and n not in met), None)
            if need is not None:
                waiting.append((need, _mentions(module.named[need])))
                continue
            waiting.pop()
            named.setdefault(name, module.named[name])
    return msgspec.structs.replace(module, named=named, ahead=_ahead(named))


MAX_CHAIN = 40
"""How many `let`s may follow each other without a value, each evaluated where the next one uses it."""

_ARITHMETIC = (tree.Binary, tree.Unary, tree.IfElse, tree.Index)
_LITERAL = (tree.Number, tree.Quantity, tree.Bool)


def _ahead(named: Mapping[str, Named]) -> frozenset[str]:
    """Every so many `let`s of a chain one whose value is the same wherever it is used."""
    chain: dict[str, int] = {}
    known = {name for name, decl in named.items() if not isinstance(decl, tree.Let)}
    ahead: set[str] = set()
    for name, decl in named.items():
        if not isinstance(decl, tree.Let):
            continue
        chain[name] = 1 + max((chain.get(other, 0) for other in _mentions(decl.value)), default=0)
        if decl.family is None and _is_plain(decl.value, known):
            known.add(name)
            if chain[name] >= MAX_CHAIN:
                ahead.add(name)
                chain[name] = 0
    return frozenset(ahead)


def _is_plain(value: tree.Expr, known: Set[str]) -> bool:
    """Whether an expression computes with literals and `known` names, and nothing else."""
    todo: list[Any] = [value]
    while todo:
        found = todo.pop()
        if isinstance(found, tree.Name):
            if found.id not in known:
                return False
        elif isinstance(found, tree.Field):
            todo.append(found.value)
        elif isinstance(found, _ARITHMETIC):
            todo += (getattr(found, field) for field in found.__struct_fields__ if field != "span")
        elif isinstance(found, tree.Text):
            todo += found.parts
        elif isinstance(found, tree.Node) and not isinstance(found, _LITERAL):
            return False
    return True


def waits_for_use(value: tree.Expr, named: Mapping[str, Named]) -> bool:
    """Whether the value of a `let` depends on what is wanted of it: `cosine`, `.score > 0`, `[a: 0.3]`."""
    match value:
        case tree.Number() | tree.Quantity() | tree.Bool():
            return False
        case tree.Text() if value.literal is not None:
            return False
        case tree.Name():
            return value.id not in named
        case tree.IfElse():
            return any(waits_for_use(arm, named) for arm in (value.then, value.otherwise))
        case tree.List():
            return any(waits_for_use(item, named) for item in value.items)
        case tree.Map():
            return any(_is_weighed(e) or waits_for_use(e.value, named) for e in value.entries)
        case tree.Comprehension(item=tree.Entry() as entry) if _is_weighed(entry):
            return True
    return any(isinstance(found, tree.Column) for found in _parts(value))


def _is_weighed(entry: tree.Entry) -> bool:
    return not isinstance(entry.key, tree.Text)


def _mentions(node: Any) -> Iterator[str]:
    """Every name in a tree, whatever it turns out to mean."""
    return (found.id for found in _parts(node) if isinstance(found, tree.Name))


def _parts(node: Any) -> Iterator[msgspec.Struct]:
    """Every node of a tree."""
    todo = [node]
    while todo:
        found = todo.pop()
        if isinstance(found, tuple):
            todo.extend(found)
        elif isinstance(found, msgspec.Struct):
            yield found
            todo.extend(getattr(found, field) for field in found.__struct_fields__ if field != "span")

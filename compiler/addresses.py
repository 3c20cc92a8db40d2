"""What people call a result: `final`, `expert[math]`, `law.train`, `curated.train`, `sft.test`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fusec.compiler.ir import Ref
from fusec.compiler.slots import Input
from fusec.compiler.typed import Typed
from fusec.compiler.values import Used
from fusec.lang import tree
from fusec.lang.types import MapType


def without_keys(address: str) -> str:
    """What all members of a family are called: `curated.train` for `curated[math].train`."""
    return re.sub(r"\[[^\]]*\]", "", address)


def results_at(typed: Typed, address: str) -> tuple[Ref, ...]:
    """The results of that name; none where nothing is called so.

    A family gives its members, a module its results, `.name` behind a family of modules one result of each.
    Steps without a name of their own go by their place: `final/data`.
    """
    found = tuple(dict.fromkeys(_named(typed.values, address)))
    return found or ((Ref(address),) if address in typed.steps else ())


def _named(values: Mapping[str, Any], rest: str) -> Iterator[Ref]:
    for name, value in values.items():
        if rest == name or rest.startswith((f"{name}.", f"{name}[")):
            yield from _at(value, rest.removeprefix(name))


def _at(value: Any, rest: str) -> Iterator[Ref]:
    match value:
        case dict() if rest.startswith("["):
            for key, member in value.items():
                if rest.startswith(f"[{key}]"):
                    yield from _at(member, rest[len(key) + 2 :])
        case dict():
            for member in value.values():
                yield from _at(member, rest)
        case Used():
            yield from _named(_results(value), rest[1:]) if rest else _at(_results(value), "")
        case Input() if not rest:
            yield value.ref
        case Input() if isinstance(value.type, MapType) and rest[1:] in dict(value.type.items):
            yield Ref(value.ref.node, rest[1:])


def _results(module: Used) -> dict[str, Any]:
    """What a module declares that can be made: its results, and the modules that it uses itself."""
    checker = module.checker
    return {
        name: checker.value_of(name, decl)
        for name, decl in checker.module.named.items()
        if isinstance(decl, (tree.Bind, tree.Use))
    }

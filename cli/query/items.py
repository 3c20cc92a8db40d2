"""What a selector chooses among: every declaration and node of a checked spec, and what each is made from.

Results depend on each other through the graph, key by key. Parameters, lets and targets have no node, so
whatever is declared with their name in its text counts as made from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fusec.cli.lsp.index import occurrences
from fusec.compiler.ir import Output, Ref, goal_refs
from fusec.compiler.lower import lower
from fusec.compiler.slots import Input
from fusec.compiler.typed import Typed
from fusec.compiler.values import describe, written
from fusec.lang import tree
from fusec.lang.source import Span
from fusec.lang.types import MapType, Type, kind_of

_KEY = re.compile(r"\[[^\]]*\]")
_BARE = re.compile(r"[\[/.]")


class Item(NamedTuple):
    """One declaration or node. `verb` is empty where no work is done, `place` is `file:line`."""

    name: str
    kind: str
    verb: str
    type: str
    place: str


class Items(NamedTuple):
    """`needs` holds, for each item, the positions of those that it takes directly."""

    items: tuple[Item, ...]
    needs: tuple[frozenset[int], ...]


def without_keys(name: str) -> str:
    """`expert` of `expert[code]`, `law.train` of `law[eu].train`."""
    return _KEY.sub("", name)


def is_called(name: str, text: str) -> bool:
    """`expert` is also every `expert[...]`, `law` all that a file used as `law` makes; `*` is any letters."""
    if "*" in text:
        return re.fullmatch(".*".join(map(re.escape, text.split("*"))), name, re.DOTALL) is not None
    plain = without_keys(name)
    inside = name.startswith(f"{text}.") or plain.startswith(f"{text}.")
    return text in (name, plain) or inside or _KEY.fullmatch(name.removeprefix(text)) is not None


def place(at: Span) -> str:
    return f"{at.source.name}:{at.position.line}"


def items_of(typed: Typed, file: tree.File) -> Items:
    """In the order of the text; nodes of other files come where they were first needed."""
    found = _Collected(typed, file)
    order = sorted(range(len(found.items)), key=lambda n: found.sort_keys[n])
    position = {old: new for new, old in enumerate(order)}
    needs = tuple(frozenset(position[n] for n in found.needs[old]) for old in order)
    return Items(tuple(found.items[old] for old in order), needs)


class _Collected:
    """Items as they are found: nodes first, so that whatever refers to them finds them."""

    def __init__(self, typed: Typed, file: tree.File) -> None:
        self.typed = typed
        self.items: list[Item] = []
        self.needs: list[set[int]] = []
        self.sort_keys: list[tuple[bool, int, int]] = []
        self.nodes: dict[str, int] = {}
        self.declared: dict[str, list[int]] = {}
        self._steps(file)
        self._named(file)
        self._goals(file)
        self._budgets(file)
        self._mentions(file)

    def add(self, item: Item, at: Span, file: tree.File, needs: set[int], declared: str = "") -> int:
        self.items.append(item)
        self.needs.append(needs)
        foreign = at.source is not file.source
        self.sort_keys.append((foreign, 0 if foreign else at.start, len(self.items)))
        number = len(self.items) - 1
        if declared:
            self.declared.setdefault(declared, []).append(number)
        return number

    def refs(self, refs: Iterator[Ref] | tuple[Ref, ...]) -> set[int]:
        return {self.nodes[ref.node] for ref in refs}

    def _steps(self, file: tree.File) -> None:
        for name, node in lower(self.typed).nodes.items():
            step = self.typed.steps[name]
            item = Item(name, _kind(step.type), node.verb, str(step.type), place(step.at))
            needs = self.refs(node.inputs)
            self.nodes[name] = self.add(item, step.at, file, needs, _BARE.split(name)[0])

    def _named(self, file: tree.File) -> None:
        """Declarations that make no node of their own: parameters, lets, targets, other names of results."""
        for declaration in file.declarations:
            if not isinstance(declaration, (tree.Param, tree.Let, tree.Bind, tree.Target)):
                continue
            name, at = declaration.name.id, declaration.name.span
            value = self.typed.values.get(name)
            if isinstance(declaration, tree.Bind):
                members = (
                    value.items() if declaration.family and isinstance(value, Mapping) else [("", value)]
                )
                for key, member in members:
                    address = f"{name}[{key}]" if key else name
                    if isinstance(member, Input) and address not in self.nodes:
                        item = Item(address, _kind(member.type), "", str(member.type), place(at))
                        self.add(item, at, file, self.refs((member.ref,)), name)
            elif name not in self.declared:
                kind = type(declaration).__name__.lower()
                self.add(Item(name, kind, "", _value(value), place(at)), at, file, set(), name)

    def _goals(self, file: tree.File) -> None:
        spans = [d.span for d in file.declarations if isinstance(d, (tree.Output, tree.Check))]
        at_place = {str(span): span for span in spans}
        for goal in self.typed.goals:
            at = at_place[goal.origin]
            needs = self.refs(goal_refs(goal))
            if isinstance(goal, Output):
                item = Item(goal.to, "output", "", str(goal.of)[1:], place(at))
            else:
                item = Item(goal.text, "check", "", "Bool", place(at))
            self.add(item, at, file, needs)

    def _budgets(self, file: tree.File) -> None:
        for limit in self.typed.limits:
            item = Item(limit.name, "budget", "", str(limit.value), place(limit.at))
            self.add(item, limit.at, file, set())

    def _mentions(self, file: tree.File) -> None:
        """What a declaration says by name and no node stands for."""
        plain, nodes = {"param", "let", "target"}, set(self.nodes.values())
        results = [frozenset(needs) for needs in self.needs]
        for declaration in file.declarations:
            mine = self._made_by(declaration)
            for found in occurrences(declaration):
                if found.owner is not None:
                    continue
                for number in self.declared.get(found.name, ()):
                    if self.items[number].kind in plain:
                        self._need(mine, number)
                    elif number not in nodes:
                        self._need([n for n in mine if results[n] & results[number]], number)
        for name, number in self.nodes.items():
            step = self.typed.steps[name]
            if step.step.seeded and "seed" not in step.written:
                self.needs[number] |= {*self.declared.get("seed", ())}

    def _need(self, who: list[int], number: int) -> None:
        for n in who:
            if n != number:
                self.needs[n].add(number)

    def _made_by(self, declaration: tree.Declaration) -> list[int]:
        name = getattr(declaration, "name", None)
        if isinstance(name, tree.Name):
            return self.declared.get(name.id, [])
        first, last = declaration.span.start, declaration.span.end
        return [n for n, key in enumerate(self.sort_keys) if not key[0] and first <= key[1] < last]


def _kind(type_: Type) -> str:
    """As it is declared: a split is data."""
    return "data" if isinstance(type_, MapType) else kind_of(type_)


def _value(value: Any) -> str:
    plain = written(value)
    return str(plain) if isinstance(plain, (bool, int, float, str, list)) else describe(value)

"""The IR as text that reads back to the same graph: one line for each node and each goal.

    ir 1
    %m = merge r1 (base: %b, experts: [%x, %y]) { method: average, keep: [] } : Model[...] exact @ a.fuse:9:1
    goal output(%m, "./out") @ a.fuse:14:1

A node that takes code from packages says so behind its grade: `exact from acme==1.0#9f3c...`.

Slots that reach other nodes stand in parentheses, settings in braces. A verb whose slots alternate has
several of each, so the order of slots is the order of the text.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from fusec.compiler.ir import Check, Goal, Graph, Keep, Node, Output, Ref, goal_refs, map_refs, refs
from fusec.compiler.irtypes import enclosed, named_part, read_type, type_end, write_type
from fusec.compiler.irvalues import read_ref, read_value, unquoted, write_ref, write_value
from fusec.compiler.packages import PackagePin, read_pin
from fusec.compiler.rowexpr import Op
from fusec.lang.lexer import REF
from fusec.lang.strings import quote

VERSION = 1

_HEAD = re.compile(r"ir ([0-9]+)")
_VERB = re.compile(r" *= *(\S+) r([0-9]+)")
_GROUP = re.compile(r" *(?=[({])")
_TYPE = re.compile(r" *: *")
_GRADE = re.compile(r" +(\w+)", re.ASCII)
_FROM = re.compile(r" from ((?:[^\s,]+, )*[^\s,]+)")
_ORIGIN = re.compile(r" *@ (.+)")
_GOAL = re.compile(r"goal (output|check|keep)(?=\()")


class IrError(Exception):
    """A text that is not IR: the number of the line, from 1, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"IR, line {line}: {reason}")
        self.line, self.reason = line, reason


def write_ir(graph: Graph) -> str:
    """The text of a graph; `read_ir` gives an equal graph back."""
    lines = [f"ir {VERSION}", *map(_node, graph.nodes.values()), *map(_goal, graph.goals)]
    return "\n".join(lines) + "\n"


def read_ir(text: str) -> Graph:
    """The graph that `text` writes; blank lines mean nothing. Raises IrError with the line and the reason."""
    nodes: dict[str, Node] = {}
    goals: list[Goal] = []
    lines = text.split("\n")
    _read_version(lines[0])
    for number, line in enumerate(lines[1:], start=2):
        try:
            if line.startswith("goal "):
                goals.append(goal := _read_goal(line))
                _known(goal_refs(goal), nodes)
            elif line.strip():
                node = _read_node(line)
                _known(node.inputs, nodes)
                if nodes.setdefault(node.name, node) is not node:
                    raise ValueError(f"%{node.name} is made twice")
        except ValueError as error:
            raise IrError(number, str(error)) from None
    return Graph(nodes, tuple(goals))


# --- to text ----------------------------------------------------------------------------


def _node(node: Node) -> str:
    groups = "".join(_group(reaches, list(slots)) for reaches, slots in groupby(node.slots, _reaches))
    head = f"{write_ref(Ref(node.name))} = {node.verb} r{node.revision}{groups}"
    packages = f" from {', '.join(map(str, node.packages))}" if node.packages else ""
    return f"{head} : {write_type(node.type)} {node.grade}{packages}{_origin(node.origin)}"


def _reaches(slot: tuple[str, Any]) -> bool:
    return any(True for _ in refs(slot[1]))


def _group(reaches: bool, slots: list[tuple[str, Any]]) -> str:
    inside = ", ".join(f"{name}: {write_value(value)}" for name, value in slots)
    return f" ({inside})" if reaches else f" {{ {inside} }}"


def _origin(origin: str) -> str:
    plain = origin.isprintable() and origin == origin.strip() and not origin.startswith('"')
    return f" @ {origin if plain else quote(origin)}" if origin else ""


def _goal(goal: Goal) -> str:
    match goal:
        case Output():
            return f"goal output({write_ref(goal.of)}, {quote(goal.to)}){_origin(goal.origin)}"
        case Keep():
            return f"goal keep({write_ref(goal.of)})"
        case Check():
            words = (("text", goal.text), ("message", goal.message))
            said = "".join(f", {name}: {quote(text)}" for name, text in words if text)
            return f"goal check({write_value(_scores_as_refs(goal.condition))}{said}){_origin(goal.origin)}"


def _scores_as_refs(condition: Any) -> Any:
    """`field(%report, "average.loss")` as `%report.average.loss`: a condition has no other references."""
    match condition:
        case Op(name="field", args=(Ref(node=report), score)):
            return Ref(report, score)
        case Op():
            return Op(condition.name, tuple(map(_scores_as_refs, condition.args)))
    return condition


# --- from text --------------------------------------------------------------------------


def _read_version(line: str) -> None:
    head = _HEAD.fullmatch(line)
    if head is None:
        raise IrError(1, f"IR text begins with `ir {VERSION}`")
    if int(head[1]) > VERSION:
        raise IrError(1, f"this is IR {head[1]}, the newest that this fusec reads is {VERSION}")


def _known(inputs: tuple[Ref, ...], nodes: dict[str, Node]) -> None:
    for ref in inputs:
        if ref.node not in nodes:
            raise ValueError(f"{write_ref(Ref(ref.node))} is not made on a line above")


def _read_node(text: str) -> Node:
    line = _Line(text)
    name = line.need(REF, "`%name`")["node"]
    verb, revision = line.need(_VERB, "`= verb r1`").groups()
    slots: list[tuple[str, Any]] = []
    while line.take(_GROUP):
        parts = (named_part(part) for part in line.parts())
        slots += [(slot, read_value(value)) for slot, value in parts]
    line.need(_TYPE, "`: Type`")
    type_ = read_type(line.type())
    grade = line.need(_GRADE, "the grade")[1]
    packages = line.packages()
    return Node(unquoted(name), verb, int(revision), grade, tuple(slots), type_, line.origin(), packages)


def _read_goal(text: str) -> Goal:
    line = _Line(text)
    kind = line.need(_GOAL, "`goal output(...)`, `check(...)` or `keep(...)`")[1]
    parts, origin = line.parts(), line.origin()
    match kind, parts:
        case "output", [of, to]:
            return Output(read_ref(of), unquoted(to), origin)
        case "check", [condition, *words]:
            said = {name: unquoted(value) for name, value in map(named_part, words)}
            scores = map_refs(read_value(condition), lambda ref: Op("field", (Ref(ref.node), ref.key)))
            return Check(scores, said.get("text", ""), said.get("message", ""), origin)
        case "keep", [of] if not origin:
            return Keep(read_ref(of))
    raise ValueError(f"this is not what `goal {kind}` holds")


class _Line:
    """A line and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def need(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = self.take(pattern)
        if found is None:
            rest = self.text[self.at :].strip()
            raise ValueError(f"{what} is missing" + (f" at `{rest[:30]}`" if rest else " at the end"))
        return found

    def parts(self) -> list[str]:
        parts, self.at = enclosed(self.text, self.at)
        return parts

    def type(self) -> str:
        start, self.at = self.at, type_end(self.text, self.at)
        return self.text[start : self.at]

    def packages(self) -> tuple[PackagePin, ...]:
        found = self.take(_FROM)
        return tuple(map(read_pin, found[1].split(", "))) if found else ()

    def origin(self) -> str:
        """What stands behind `@` at the end of the line."""
        found = self.take(_ORIGIN)
        if rest := self.text[self.at :].strip():
            raise ValueError(f"`{rest[:30]}` does not belong here")
        return unquoted(found[1]) if found else ""

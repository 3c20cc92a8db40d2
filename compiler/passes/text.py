"""An outline as text: its graph, one line for each thing known before, one for each thing found.

    ir 1
    %a = merge r1 (base: %base, experts: [%x, %y]) {...} : Model[...] exact
    %b = merge r1 (base: %base, experts: [%x, %y]) {...} : Model[...] exact
    goal output(%b, "./out")
    given stored(%x)
    given expert_reads(4096)
    given apart()
    found missing(%a, %b)
    found together(%a, %b)

`given stored` names results that the store holds, `given expert_reads` the bytes of a budget, and
`given apart` says that steps run on several machines. `found missing` are the steps to compute, `found
together` the merges of one scan. What a pass finds the next may be given: found lines are read too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Graph, Ref
from fusec.compiler.irtext import IrError, read_ir, write_ir
from fusec.compiler.irtypes import enclosed
from fusec.compiler.irvalues import read_ref, write_ref
from fusec.compiler.passes import PASSES
from fusec.compiler.passes.outline import Known, Outline
from fusec.compiler.plan import Plan

_LINE = re.compile(r"(given (?:stored|expert_reads|apart)|found (?:missing|together))(?=\()")


class Given(NamedTuple):
    """An outline as read, and what passes may know of the world."""

    outline: Outline
    known: Known


def write_outline(outline: Outline) -> str:
    """The graph, and what passes found; `read_outline` gives both back."""
    lines = []
    if outline.missing is not None:
        lines.append(_line("missing", [name for name in outline.graph.nodes if name in outline.missing]))
    lines += [_line("together", scan) for scan in outline.scans]
    return write_ir(outline.graph) + "".join(f"{line}\n" for line in lines)


def read_outline(text: str) -> Given:
    """The outline that a text writes. Raises IrError with the line and the reason."""
    lines = text.split("\n")
    said = {number: line for number, line in enumerate(lines) if line.startswith(("given ", "found "))}
    graph = read_ir("\n".join("" if number in said else line for number, line in enumerate(lines)))
    stored: set[str] = set()
    limit, apart, missing, scans = None, False, None, []
    for number, line in said.items():
        try:
            what, parts = _read_line(line)
            if what == "given expert_reads":
                (limit,) = map(int, parts)
            elif what == "given apart":
                apart = True
            else:
                names = _names(parts, graph)
                if what == "given stored":
                    stored.update(names)
                elif what == "found missing":
                    missing = frozenset(names)
                else:
                    scans.append(names)
        except ValueError as error:
            raise IrError(number + 1, str(error)) from None
    ids = graph_ids(graph)
    known = Known(frozenset(ids[name] for name in stored), limit, ids=ids, together=not apart)
    return Given(Outline(graph, missing, tuple(scans)), known)


def outline_of(plan: Plan, after: str) -> Outline:
    """What the passes up to one have decided about a plan that went no further."""
    order = [step.name for step in PASSES]
    missing = frozenset(task.name for task in plan.tasks if task.state == "new")
    looked = order.index(after) >= order.index("reuse")
    return Outline(plan.graph(), missing if looked else None, plan.scans)


def _line(what: str, names: list[str] | tuple[str, ...]) -> str:
    return f"found {what}({', '.join(write_ref(Ref(name)) for name in names)})"


def _read_line(line: str) -> tuple[str, list[str]]:
    head = _LINE.match(line)
    if head is None:
        raise ValueError(
            "a line begins with `given stored(`, `given expert_reads(`, `given apart(`, `found missing(` or "
            "`found together(`"
        )
    parts, end = enclosed(line, head.end())
    if line[end:].strip():
        raise ValueError(f"`{line[end:].strip()[:30]}` does not belong here")
    return head[1], [part for part in parts if part.strip()]


def _names(parts: list[str], graph: Graph) -> tuple[str, ...]:
    names = tuple(read_ref(part.strip()).node for part in parts)
    for name in names:
        if name not in graph.nodes:
            raise ValueError(f"{write_ref(Ref(name))} is not in the graph")
    return names

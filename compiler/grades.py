"""Whether every output can be repeated as exactly as it is required to be."""

from __future__ import annotations

from fusec.compiler.ir import Graph, Node, Output, Ref
from fusec.compiler.step import GRADES, Grade
from fusec.compiler.typed import Typed
from fusec.lang.codes.fuse405_grade_too_low import GradeTooLow
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Source, Span


def below(typed: Typed, graph: Graph, source: Source, required: Grade) -> tuple[Diagnostic, ...]:
    """One FUSE405 for each output, or result asked for by name, of a lower grade than `required`.

    The step it marks is the first of the lowest grade among those the output is made by.
    """
    found = []
    for goal in graph.goals:
        of = getattr(goal, "of", None)  # a check publishes nothing
        if not isinstance(of, Ref):
            continue
        name = of.node
        step = _lowest(graph, name)
        if GRADES.index(step.grade) <= GRADES.index(required):
            continue
        at = _keyword(source, goal.origin) if isinstance(goal, Output) else typed.steps[name].at
        found.append(
            GradeTooLow(
                output=str(of)[1:],
                at=at,
                grade=step.grade,
                required=required,
                step=step.name,
                verb=step.verb,
                step_at=typed.steps[step.name].at,
            )
        )
    return tuple(found)


def _lowest(graph: Graph, name: str) -> Node:
    """The first node of the lowest grade among `name` and what it is made from."""
    wanted, waiting = {name}, [name]
    while waiting:
        for ref in graph.nodes[waiting.pop()].inputs:
            if ref.node not in wanted:
                wanted.add(ref.node)
                waiting.append(ref.node)
    made = [node for key, node in graph.nodes.items() if key in wanted]
    return max(made, key=lambda node: GRADES.index(node.grade))


def _keyword(source: Source, origin: str) -> Span:
    """The word `output` of the declaration that begins at `origin`, a text such as `main.fuse:21:1`."""
    _, line, column = origin.rsplit(":", 2)
    start = source.line_start(int(line)) + int(column) - 1
    return source.span(start, start + len("output"))

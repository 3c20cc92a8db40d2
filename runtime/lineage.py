"""The model card of an output: the steps that led to it, in the words of the spec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fusec.compiler.ir import Call, Graph, Node, Ref
from fusec.compiler.irvalues import write_value
from fusec.lang.types import ModelType
from fusec.runtime.model_card import CardStep, write_card

QUIET = ("seed", "keep", "shard_size", "pin", "options")


def card_writer(
    graph: Graph, node: Node, report: Callable[[str], Path | None]
) -> Callable[[Path], None] | None:
    """What writes `README.md` into the folder of an output; None for anything but a model.

    `report(name)` is the folder of a node's result when it is at hand.
    """
    if not isinstance(node.type, ModelType):
        return None
    steps = [_step(ancestor) for ancestor in _ancestors(graph, node)]
    bases = sorted({_hub_name(n) for n in _ancestors(graph, node) if n.verb == "source.model"} - {""})
    metrics = _metrics(graph, node, report)

    def write(folder: Path) -> None:
        write_card(folder, name=node.name, lineage=steps, base_model=bases, metrics=metrics)

    return write


def _ancestors(graph: Graph, node: Node) -> list[Node]:
    needed, pending = {node.name}, [node]
    while pending:
        for ref in pending.pop().inputs:
            if ref.node not in needed:
                needed.add(ref.node)
                pending.append(graph.nodes[ref.node])
    return [n for name, n in graph.nodes.items() if name in needed]


def _step(node: Node) -> CardStep:
    slots = {
        name: write_value(value)
        for name, value in node.slots
        if value is not None and value != () and name not in QUIET and not isinstance(value, (Ref, Call))
    }
    method = next((write_value(value) for _, value in node.slots if isinstance(value, Call)), "")
    inputs = tuple(dict.fromkeys(str(ref)[1:] for ref in node.inputs))
    return CardStep(name=node.name, verb=node.verb, method=method, slots=slots, inputs=inputs)


def _hub_name(node: Node) -> str:
    uri: str = node.slot("uri")
    return uri.removeprefix("hf:").split("@")[0].split("#")[0] if uri.startswith("hf:") else ""


def _metrics(graph: Graph, node: Node, report: Callable[[str], Path | None]) -> dict[str, Any] | None:
    """The first report in the graph that scored this model."""
    for other in graph.nodes.values():
        if other.verb == "evaluate" and Ref(node.name) == other.slot("model"):
            folder = report(other.name)
            if folder is not None:
                found: dict[str, Any] = json.loads((folder / "report.json").read_text())
                return {key: value for key, value in found.items() if isinstance(value, dict)}
    return None

"""The card of a model or delta: the steps that led to it, in the words of the spec."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fusec.compiler.ir import Call, Graph, Node, Ref
from fusec.compiler.irvalues import write_value
from fusec.compiler.licences import of_result
from fusec.lang.types import DeltaType, ModelType, ReportType
from fusec.runtime.model_card import CardStep, write_card

QUIET = ("seed", "keep", "shard_size", "pin", "options")


def card_writer(
    graph: Graph,
    node: Node,
    report: Callable[[str], Path | None],
    licences: Mapping[str, str] | None = None,
) -> Callable[[Path], None] | None:
    """What writes `README.md` into the folder of an output; None for anything but a model or delta.

    `report(name)` is the folder of a node's result when it is at hand, `licences` what is known of sources.
    """
    if not isinstance(node.type, (ModelType, DeltaType)):
        return None
    steps = [_step(ancestor) for ancestor in _ancestors(graph, node)]
    delta = isinstance(node.type, DeltaType)
    # A delta belongs to the one model it is added to; what it was taken from is in the lineage.
    roots = [graph.nodes[value.node] for name, value in node.slots if name == "base"] if delta else [node]
    models = [n for root in roots for n in _ancestors(graph, root) if n.verb == "source.model"]
    bases = sorted({_hub_name(n) for n in models} - {""})
    metrics = _metrics(graph, node, report)
    found = _licences(graph, node, licences or {})

    def write(folder: Path) -> None:
        write_card(
            folder,
            name=node.name,
            lineage=steps,
            base_model=bases,
            license=of_result(found),
            licences=found,
            metrics=metrics,
            delta=delta,
        )

    return write


def _ancestors(graph: Graph, node: Node) -> list[Node]:
    needed, pending = {node.name}, [node]
    while pending:
        for ref in pending.pop().inputs:
            if ref.node not in needed:
                needed.add(ref.node)
                pending.append(graph.nodes[ref.node])
    return [n for name, n in graph.nodes.items() if name in needed]


def _licences(graph: Graph, node: Node, licences: Mapping[str, str]) -> dict[str, str]:
    """The licence of each source that is in the model; those of data it was only scored on are not."""
    found, pending = {node.name}, [node]
    while pending:
        for ref in pending.pop().inputs:
            parent = graph.nodes[ref.node]
            if ref.node not in found and not isinstance(parent.type, ReportType):
                found.add(ref.node)
                pending.append(parent)
    sources = [name for name, n in graph.nodes.items() if name in found and n.verb.startswith("source.")]
    return {name: licences.get(name, "") for name in sources if graph.nodes[name].verb != "source.tokenizer"}


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

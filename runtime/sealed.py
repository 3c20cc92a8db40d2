"""Sources that need not be hashed whole, because whoever reads them checks every block that counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fusec.compiler.ir import Graph
from fusec.compiler.plan import Task


def is_sealed(graph: Graph, source: str, needed: Collection[str], tasks: Mapping[str, Task]) -> bool:
    """Whether a model is read by merges under a budget alone, as an expert, whose plans hold block hashes.

    Such a merge depends on the blocks that its plan names and on no other byte of the expert, and stops at
    one that does not hash to what the plan says.
    """
    if graph.nodes[source].verb != "source.model":
        return False
    readers = [node for node in graph.nodes.values() if any(ref.node == source for ref in node.inputs)]
    for node in readers:
        if node.name in needed:
            reads = tasks[node.name].reads
            if node.verb != "merge" or dict(node.slots)["base"].node == source:
                return False
            if reads is None or not reads.hashes:
                return False
    return True

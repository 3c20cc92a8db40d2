"""Read equal blocks once, and blocks that equal the base's not at all.

Fires for merges under a budget whose experts the catalog knows block by block: what they will read is drawn
up before they run. Blocks with the same bytes count once; a block that training left alone changes nothing
and costs nothing. Declines where an input is made by the plan itself, of which only the run can know the
blocks, and for merges that read everything, which compare blocks while they read.
"""

from __future__ import annotations

import msgspec

from fusec.compiler.identity import graph_ids
from fusec.compiler.passes.outline import Known, Outline
from fusec.compiler.reads.planned import PlannedReads, UnknownBlocks


def dedup_blocks(outline: Outline, known: Known) -> Outline:
    """The outline with what each merge under a budget reads, as far as that is known."""
    if known.planner is None:
        return outline
    ids, found = graph_ids(outline.graph), dict[str, PlannedReads | UnknownBlocks]()
    for name, node in outline.graph.nodes.items():
        # A planner finds inputs by what they were: of one that got a budget since, only the run can tell.
        if name in outline.todo and all(known.ids.get(ref.node) == ids[ref.node] for ref in node.inputs):
            reads = known.planner.plan(node)
            if reads is not None:
                found[name] = reads
    return msgspec.structs.replace(outline, reads=found)

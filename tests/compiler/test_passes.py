"""What rewrites of graphs promise, whatever the graph: results keep their identity, once is enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graphs import graphs
from hypothesis import given

from fusec.compiler.identity import graph_ids, plan_id
from fusec.compiler.ir import Graph, verify
from fusec.compiler.passes.cse import cse
from fusec.compiler.passes.prune_goals import prune_goals


@pytest.mark.parametrize("rewrite", [cse, prune_goals])
@given(graph=graphs())
def test_exact_passes_keep_every_result(rewrite: Callable[[Graph], Graph], graph: Graph) -> None:
    ids = graph_ids(graph)
    after = rewrite(graph)
    verify(after)
    kept = graph_ids(after)
    assert set(kept.values()) <= set(ids.values())
    assert plan_id(after, kept) == plan_id(graph, ids)
    assert rewrite(after) == after

"""Passes that decide rather than rewrite: their answers as part of an outline."""

from __future__ import annotations

import msgspec

from fusec.compiler.identity import graph_ids
from fusec.compiler.passes.outline import Known, Outline, types_of
from fusec.compiler.passes.read_budget import read_budget
from fusec.compiler.passes.reuse import missing
from fusec.compiler.passes.share_scans import share_scans


def divide(outline: Outline, known: Known) -> Outline:
    """`read_budget`: the merges with their shares, or what keeps the budget from being divided."""
    if known.expert_reads is None or known.planner is None:
        return outline
    graph, undivided = read_budget(
        outline.graph,
        types_of(outline.graph),
        known.expert_reads,
        known.planner,
        known.stored,
        written=known.written,
        sharing=known.together,
    )
    return msgspec.structs.replace(outline, graph=graph, undivided=undivided)


def look(outline: Outline, known: Known) -> Outline:
    """`reuse`: the nodes to compute."""
    graph = outline.graph
    found = missing(graph, graph_ids(graph), known.stored, everything=known.everything)
    return msgspec.structs.replace(outline, missing=frozenset(found))


def gather(outline: Outline, known: Known) -> Outline:
    """`share_scans`: the merges that read together."""
    if not known.together:
        return outline
    scans = share_scans(outline.graph, types_of(outline.graph), outline.todo)
    return msgspec.structs.replace(outline, scans=scans)

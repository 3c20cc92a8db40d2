"""The pages in `passes/`: a graph, a pass, the graph it leaves; the first line of IR goes without saying."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphs import graphs
from hypothesis import given

from fusec.compiler.identity import graph_ids, plan_id
from fusec.compiler.ir import Graph, verify
from fusec.compiler.irtext import read_ir, write_ir
from fusec.compiler.passes import PIPELINE, Pass

PASSES = {step.name: step for step in PIPELINE}
PAIR = re.compile(
    r"^## (.*?)$(?:(?!^## ).)*?```ir before\n(.*?)```\s*```ir after (\w+)\n(.*?)```", re.M | re.S
)


def _cases() -> list[pytest.ParameterSet]:
    pages = sorted(Path(__file__).with_name("passes").glob("*.md"))
    found = [pair for page in pages for pair in PAIR.findall(page.read_text())]
    return [pytest.param(name, before, after, id=f"{name}: {title}") for title, before, name, after in found]


@pytest.mark.parametrize(("name", "before", "after"), _cases())
def test_page(name: str, before: str, after: str) -> None:
    graph = PASSES[name].run(read_ir(f"ir 1\n{before}"))
    assert write_ir(graph) == f"ir 1\n{after}"


def test_every_pass_has_a_page_and_every_block_is_run() -> None:
    pages = {page.stem: page.read_text() for page in Path(__file__).with_name("passes").glob("*.md")}
    assert set(pages) == set(PASSES)
    assert sum(text.count("```ir") for text in pages.values()) == 2 * len(_cases())


@pytest.mark.parametrize("step", PIPELINE, ids=lambda step: step.name)
@given(graph=graphs())
def test_exact_passes_keep_every_result(step: Pass, graph: Graph) -> None:
    ids = graph_ids(graph)
    after = step.run(graph)
    verify(after)
    kept = graph_ids(after)
    assert set(kept.values()) <= set(ids.values())
    assert plan_id(after, kept) == plan_id(graph, ids)
    assert step.run(after) == after

"""The pages of this folder: a graph, a pass, the graph it leaves; the first line of IR goes without saying.

A page is named after its pass. Under each heading stand one block "ir before" and one "ir after PASS" for a
reason to fire or to decline. A block "ir shared" stands in front of all blocks below it. What a pass knows
besides the graph are lines `given ...`, what it decides lines `found ...`; see `fusec.compiler.passes.text`.
Types of models and deltas say what matters, `Model[m, bf16, bytes: 1000]`; facts that stay out are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from fusec.compiler.ir import Node, verify
from fusec.compiler.passes import BY_NAME, PASSES, optimize
from fusec.compiler.passes.text import read_outline, write_outline
from fusec.compiler.reads.planned import UnknownBlocks

PAGES = sorted(Path(__file__).parent.glob("*.md"))
FACTS = dict.fromkeys(("identity", "root", "tokenizer", "fingerprint"), '""') | dict.fromkeys(
    ("tensors", "params", "bytes", "vocab"), "0"
)
SHORT = re.compile(r"(?<= : )(Model|Delta)\[(\w+), (\w+)((?:, \w+: \w+)*)\](?= exact)")
PART = re.compile(r"^## (.*?)$|^```ir (\w+)(?: (\w+))?\n(.*?)^```", re.M | re.S)


class Case(NamedTuple):
    """One pair of blocks: the texts before and after a pass."""

    title: str
    step: str
    before: str
    after: str


class EvenPlanner:
    """Knows every model but `%law`, and gives each merge an equal part of a budget."""

    def plan(self, node: Node) -> None:
        return None

    def divide(self, nodes: Sequence[Node], budget: int) -> list[int] | UnknownBlocks:
        if any(ref.node == "law" for node in nodes for ref in node.inputs):
            return UnknownBlocks(("law",), "fusec catalog analyze law", 0)
        return [budget // len(nodes) for _ in nodes]


def spelled(text: str) -> str:
    """The text with the facts that its types leave out."""

    def whole(found: re.Match[str]) -> str:
        said = dict(re.findall(r"(\w+): (\w+)", found[4]))
        facts = FACTS | ({"rank": "0"} if found[1] == "Delta" else {}) | said
        return f"{found[1]}[{found[2]}, {found[3]}, {', '.join(f'{k}: {v}' for k, v in facts.items())}]"

    return SHORT.sub(whole, text)


def cases(page: Path) -> Iterator[Case]:
    title = shared = before = ""
    for heading, kind, step, text in PART.findall(page.read_text()):
        if heading:
            title = heading
        elif kind == "shared":
            shared = text
        elif kind == "before":
            before = text
        else:
            assert kind == "after" and step, f"{page.name}, {title}: `ir {kind}` is no block of a page"
            yield Case(title, step, *(spelled(f"ir 1\n{shared}{one}") for one in (before, text)))


def parameters() -> list[pytest.ParameterSet]:
    return [pytest.param(case, id=f"{case.step}: {case.title}") for page in PAGES for case in cases(page)]


@pytest.mark.parametrize("case", parameters())
def test_page(case: Case) -> None:
    outline, known = read_outline(case.before)
    known = msgspec.structs.replace(known, planner=EvenPlanner())
    found = BY_NAME[case.step].run(outline, known)
    verify(found.graph)
    assert write_outline(found) == write_outline(read_outline(case.after).outline)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_is_run(page: Path) -> None:
    text = page.read_text()
    found = list(cases(page))
    assert {case.step for case in found} == {page.stem}
    assert text.count("```ir ") == 2 * len(found) + text.count("```ir shared")


def test_every_pass_that_text_can_show_has_a_page() -> None:
    """What equal blocks and places are, no graph says: `tests/reads` and `test_placement.py` do."""
    assert {step.name for step in PASSES} - {page.stem for page in PAGES} == {"dedup_blocks", "place"}


def test_traces_stand_in_the_order_of_the_passes() -> None:
    outline, known = read_outline(
        'ir 1\n%raw = source.data r1 { pin: "5e1d" } : Unknown exact\ngoal keep(%raw)\n'
    )
    _, traces = optimize(outline.graph, known)
    assert [trace.name for trace in traces] == [step.name for step in PASSES if step.default]

"""Slots ask for the least they need of a model: verbs of a package that take Scorers and Samplers."""

import pytest
from world import facts

from fusec.compiler.capabilities import need
from fusec.compiler.check import check
from fusec.compiler.ir import Ref
from fusec.compiler.irsteps import raise_step
from fusec.compiler.irtext import read_ir, write_ir
from fusec.compiler.lower import lower
from fusec.compiler.packages import Extension, PackagePin, register
from fusec.compiler.passes.outline import types_of
from fusec.compiler.slots import Model, Sampler, Scorer, Scorers
from fusec.compiler.step import Site, Step
from fusec.lang.parse import parse
from fusec.lang.source import Source
from fusec.lang.types import EndpointType, ModelType, ReportType, Type


class Ask(Step, verb="ask", grade="external", kernel="acme.ask", subject="model"):
    """Ask a model; `exact` compares distributions."""

    model: Sampler
    teacher: Scorer | None = None
    others: Scorers = ()
    pivot: Model | None = None
    exact: bool = False

    def gives(self, site: Site) -> Type:
        if self.exact:
            need(site, self.model, "scorer", site.at("model"), "`exact`", site.at("exact"))
        return ReportType((), ("answers",))


PIN = PackagePin("acme_asks", "1.0", "a" * 64)
Ask.package = PIN
ACME = Extension(PIN, {"ask": Ask}, {}, frozenset({__name__}))
register(ACME)

HEAD = """edition 2026

extend "acme_asks" as acme
model base from "fixture:llama-a"
model scorer from "https://llm.example.org/v1" { model: "critic", logprobs: true }
model chat from "https://llm.example.org/v1" { model: "critic" }
"""


def checked(line: str):
    text = f'{HEAD}{line}\noutput answers to "./out/answers"\n'
    return check(parse(Source("spec.fuse", text)), facts, packages=lambda name: ACME)


def codes(line: str) -> list[tuple[str, str]]:
    problems = checked(line).problems
    return [(p.code, p.title()) for p in problems if p.code != "FUSE108"]


@pytest.mark.parametrize(
    "slots",
    [
        "model: chat",
        "model: scorer, exact: true",
        "model: base, exact: true, teacher: scorer, others: [scorer, base], pivot: base",
    ],
)
def test_who_gives_more_than_is_asked_fits(slots: str) -> None:
    assert codes(f"report answers = acme.ask {{ {slots} }}") == []


@pytest.mark.parametrize(
    ("slots", "title"),
    [
        ("model: chat, teacher: chat", "`chat` gives text, `ask` needs log-probabilities"),
        ("model: chat, others: [base, chat]", "`chat` gives text, `ask` needs log-probabilities"),
        ("model: chat, pivot: scorer", "`scorer` gives log-probabilities, `ask` needs weights"),
        ("model: chat, exact: true", "`chat` gives text, `exact` needs log-probabilities"),
    ],
)
def test_who_gives_less_does_not(slots: str, title: str) -> None:
    assert codes(f"report answers = acme.ask {{ {slots} }}") == [("FUSE210", title)]


def test_the_message_marks_both_parties() -> None:
    (problem,) = (
        p
        for p in checked("report answers = acme.ask { model: chat, exact: true }").problems
        if p.code == "FUSE210"
    )
    assert [(m.span.text, m.note) for m in problem.marks()] == [
        ("chat", "Sampler (hosted endpoint, line 6)"),
        ("true", "asks for a Scorer"),
        ('"https://llm.example.org/v1"', "declared here"),
    ]


def test_data_is_no_model_of_any_sort() -> None:
    said = codes('data d from "fixture:text"\nreport answers = acme.ask { model: d }')
    assert said == [("FUSE207", "`d` is Data, `model` wants a Sampler")]


def test_endpoints_travel_through_the_graph() -> None:
    typed = checked("report answers = acme.ask { model: chat, teacher: scorer, pivot: base }")
    graph = lower(typed)
    back = read_ir(write_ir(graph))
    assert back == graph
    types = types_of(back)
    assert isinstance(types[Ref("base")], ModelType)
    assert types[Ref("chat")] == EndpointType("https://llm.example.org/v1#critic", False)
    assert raise_step(back.nodes["answers"], types) == typed.steps["answers"].step
    assert back.nodes["chat"].grade == "external"

"""What does not fit on a target: both parties are marked, and what is suggested fits."""

from __future__ import annotations

import re

import pytest
import world

from fusec.compiler.fitting import unfit
from fusec.lang.codes.fuse303_cannot_place import CannotPlace
from fusec.lang.codes.fuse304_out_of_memory import OutOfMemory
from fusec.lang.render import render

SPEC = """edition 2026
param seed = 17
model base from "fixture:llama-a"
data pairs from "fixture:pairs"
model tuned = finetune { model: base, data: pairs, steps: 300, resources: RESOURCES }
target place = TARGET
output tuned to "./out/tuned"
"""
SMALL = "local(cpus: 4, gpus: a100(8))"
TWO = 'ray(address: "auto", nodes: [node(count: 2, cpus: 96, gpus: a100(8))], store: "/mnt/store")'


def said(resources: str, target: str) -> list[CannotPlace]:
    typed, plan = world.planned(SPEC.replace("RESOURCES", resources).replace("TARGET", target), "place")
    found = unfit(typed, plan, typed.targets["place"])
    assert all(isinstance(problem, CannotPlace) for problem in found)
    return [problem for problem in found if isinstance(problem, CannotPlace)]


@pytest.mark.parametrize(
    ("resources", "target", "asks", "suggested"),
    [
        ("gpus(12)", SMALL, "asks for 12 GPUs in one machine", ["gpus(8)"]),
        ("cpus(16)", SMALL, "asks for 16 processors of one machine", ["cpus(4)"]),
        ("gpus(train: 6, teacher: 4)", SMALL, "asks for 10 GPUs in 2 groups", ["gpus(train: 4, teacher: 4)"]),
        (
            "gpus(train: 12, teacher: 4)",
            TWO,
            "asks for 12 GPUs in one placement group",
            ["gpus(train: 8, teacher: 4)", "spread: true"],
        ),
        ("gpus(40, spread: true)", TWO, "asks for 40 GPUs in 1 group", ["gpus(16, spread: true)"]),
        (
            "gpus(train: 9, teacher: 9, spread: true)",
            TWO,
            "asks for 18 GPUs in 2 groups",
            ["gpus(train: 8, teacher: 8, spread: true)"],
        ),
        (  # looked for by halves: one less at a time would take minutes
            "gpus(900_000_000, spread: true)",
            TWO,
            "asks for 900000000 GPUs in 1 group",
            ["gpus(16, spread: true)"],
        ),
    ],
)
def test_what_is_suggested_fits(resources: str, target: str, asks: str, suggested: list[str]) -> None:
    (problem,) = said(resources, target)
    assert problem.marks()[0].note == asks
    ways = re.findall(r"`([^`]+)`", problem.fixes()[0].say)
    assert ways == suggested
    for way in ways:
        assert said(way if "(" in way else resources.replace(")", f", {way})"), target) == []


def test_both_parties_are_marked() -> None:
    (problem,) = said("gpus(12)", TWO)
    assert [mark.span.text for mark in problem.marks()] == ["gpus(12)", "a100(8)"]
    assert "no node of `place` can ever run `tuned`" in render(problem)
    (problem,) = said("gpus(1)", "local(cpus: 2)")
    assert [mark.note for mark in problem.marks()] == ["asks for 1 GPU in one machine", "has no GPUs"]


def test_a_name_in_a_target_is_marked_where_it_stands() -> None:
    spec = SPEC.replace("RESOURCES", "gpus(12)").replace("TARGET", "local(gpus: big)")
    typed, plan = world.planned(spec + "let big = a100(8)\n", "place")
    (problem,) = unfit(typed, plan, typed.targets["place"])
    assert problem.marks()[1].span.text == "big"


def test_only_machines_with_a_stated_memory_are_said_to_lack_it() -> None:
    nodes = 'ray(address: "auto", nodes: [node(cpus: 2), node(cpus: 64, memory: 1 KB)], store: "/mnt/store")'
    spec = SPEC.replace("RESOURCES", "cpus(4)").replace("TARGET", nodes)
    typed, plan = world.planned(spec, "place")
    found = unfit(typed, plan, typed.targets["place"])
    problem = next(one for one in found if isinstance(one, OutOfMemory) and one.step == "tuned")
    assert [mark.note for mark in problem.marks()[1:]] == ["gives 1 KB"]


BIG = """edition 2026
param seed = 17
model base = init { arch: llama(layers: 80, hidden: 8192, heads: 64, kv_heads: 8), tokenizer: tok }
tokenizer tok from "fixture:llama-a"
data pairs from "fixture:pairs"
model tuned = finetune { model: base, data: pairs, steps: 30, RESOURCES }
target place = TARGET
output tuned to "./out/tuned"
"""


def lacks(resources: str, target: str) -> list[OutOfMemory]:
    typed, plan = world.planned(BIG.replace("RESOURCES", resources).replace("TARGET", target), "place")
    found = unfit(typed, plan, typed.targets["place"])
    return [one for one in found if isinstance(one, OutOfMemory) and one.step == "tuned"]


@pytest.mark.parametrize("resources", ["", "resources: gpus(2)", "resources: gpus(8)"])
def test_a_lack_of_memory_says_what_is_needed_and_the_least_that_fits(resources: str) -> None:
    target = 'ray(address: "auto", nodes: [node(count: 3, gpus: h100(8))], store: "/mnt/store")'
    (problem,) = lacks(resources, target)
    text = render(problem)
    for part in ("weights in fp32", "gradients", "two moments of Adam", "activations"):
        assert part in text
    (way,) = re.findall(r"ask for `(gpus\([^`]+\))`", text)
    assert lacks(f"resources: {way}", target) == []
    fewer = way.replace(count := re.findall(r"\d+", way)[0], str(int(count) - 1))
    assert lacks(f"resources: {fewer}", target) != []


def test_the_parts_are_the_likely_need() -> None:
    typed, plan = world.planned(BIG.replace("RESOURCES", "").replace("TARGET", "local(cpus: 1)"), "place")
    for step in typed.steps.values():
        parts = [size for _, size in step.step.memory_parts(step.type)]
        assert not parts or sum(parts) == step.step.cost(step.type).memory.likely
    assert any(task.verb == "finetune" for task in plan.tasks)


@pytest.mark.parametrize(
    ("target", "way"),
    [
        ("local(gpus: h100(8))", r"run it on a target with `h100\(\d+\)`, and ask for"),
        (
            'ray(address: "auto", nodes: [node(gpus: h100(8))], store: "/mnt/store")',
            r"give `place` 2 nodes with `h100\(8\)`, and ask for `gpus\(\d+, spread: true\)`",
        ),
        ("local(memory: 64 GB)", r"run it on a machine with \d+\.\d GB of memory"),
    ],
)
def test_where_nothing_there_suffices_the_message_says_what_would(target: str, way: str) -> None:
    (problem,) = lacks("", target)
    assert re.search(way, problem.fixes()[0].say)

"""The plan of `bench/plan_70b.py`, checked by hand: FLOPs, seconds, memory of each GPU, bytes and money."""

from __future__ import annotations

from pathlib import Path

import plan_70b
import pytest

from fusec.cli.plan_json import plan_json
from fusec.cli.plan_places import places_text
from fusec.compiler.plan import Plan, Task
from fusec.lang.codes.fuse303_cannot_place import CannotPlace
from fusec.lang.codes.fuse304_out_of_memory import OutOfMemory

N = 70_553_706_496  # parameters of a decoder with 80 layers of width 8192, grouped attention, 128256 tokens
H100, BUSY, EACH = 989e12, 0.35, 24 / 8  # FLOP/s in bf16, the likely share of it, USD for one GPU and hour


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("headers")
    for name in plan_70b.MODELS:
        plan_70b.write_headers(folder / name)
    return folder


@pytest.fixture(scope="module")
def two(root: Path) -> Plan:
    found = plan_70b.planned(root, "two")
    assert found.problems == ()
    return found.plan


@pytest.fixture(scope="module")
def tasks(two: Plan) -> dict[str, Task]:
    return {task.name: task for task in two.tasks}


def test_the_files_are_headers_alone(root: Path) -> None:
    files = [path.stat() for path in (root / "base").glob("*.safetensors")]
    assert sum(file.st_size for file in files) == pytest.approx(2 * N, rel=1e-6)
    assert sum(file.st_blocks * 512 for file in files) < 2**20


def test_training(tasks: dict[str, Task]) -> None:
    law, tokens = tasks["law"], 1000 * 64 * 4096
    assert law.cost.flops.likely == 6 * N * tokens
    assert law.cost.memory.likely == 18 * N
    assert 79e9 < law.cost.memory.likely / 16 < 80e9, "just what sixteen GPUs have"
    assert law.seconds.likely == pytest.approx(6 * N * tokens / (16 * H100 * BUSY), rel=0.02)
    assert law.money is not None
    assert law.money.likely == pytest.approx(16 * EACH * law.seconds.likely / 3600)
    assert law.gpu_hours.likely == pytest.approx(16 * law.seconds.likely / 3600)


def test_merging_and_scoring(tasks: dict[str, Task]) -> None:
    # `ties` reads every expert twice: once to find its thresholds.
    assert tasks["merged"].cost.expert_reads.likely == 2 * 3 * 2 * N
    for name in ("before", "after"):
        report = tasks[name]
        assert report.cost.flops.likely == pytest.approx(2 * N * 2_000 * 4_000 / 3.5)
        assert report.money is not None
        assert report.money.likely == pytest.approx(8 * EACH * report.seconds.likely / 3600)


def test_the_schedule_and_the_limits(two: Plan, tasks: dict[str, Task]) -> None:
    when = {name: task.when for name, task in tasks.items() if task.when is not None}
    assert two.critical_path[-4:] == ("lessons", "law", "merged", "after")
    assert [(held.machine, held.gpus) for held in when["law"].held] == [(0, 8), (1, 8)]
    assert when["before"].start == when["law"].stop, "training holds every GPU"
    assert when["before"].stop < when["merged"].stop, "and scoring the base then costs no time"
    assert max(span.stop for span in when.values()) == two.wall.likely
    planned = {limit.name: limit.planned for limit in two.limits}
    assert planned["wall"] == two.wall.likely
    assert planned["cost"] == pytest.approx(sum(task.money.likely for task in tasks.values() if task.money))
    assert planned["gpu"] == pytest.approx(sum(task.gpu_hours.likely for task in tasks.values()))


def test_the_faces_say_where_each_step_goes(two: Plan) -> None:
    (line,) = (line for line in places_text(two).splitlines() if line.startswith("  law *"))
    assert line.endswith("  5 h 39 min  nodes[0] 0: 8 GPUs, nodes[0] 1: 8 GPUs")
    (law,) = (node for node in plan_json(two).nodes if node.name == "law")
    assert [(held.node, held.number, held.gpus) for held in law.machines] == [(0, 0, 8), (0, 1, 8)]


def test_one_such_machine_does_not_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = plan_70b.planned(root, "one").problems
    assert isinstance(problem, CannotPlace)
    assert problem.ways == ("give `one` 2 nodes with `h100(8)`, and ask for `gpus(16, spread: true)`",)
    monkeypatch.setattr(plan_70b, "SPEC", plan_70b.SPEC.replace("gpus(16, spread: true)", "gpus(8)"))
    (problem,) = plan_70b.planned(root, "one").problems
    assert isinstance(problem, OutOfMemory)
    assert (problem.step, problem.needs) == ("law", "1.3 TB")
    assert problem.parts[0] == ("weights in fp32", "282.2 GB")

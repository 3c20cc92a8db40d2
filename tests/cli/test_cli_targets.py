"""--target and --sweep: plans for other machines, priced and placed, and several plans side by side."""

import json
from pathlib import Path
from typing import Any

import pytest

from fusec.cli.sweep_values import points

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`

TARGETS = """
target small = local(cpus: 1, memory: 4 GB, disk: 1 GB, price: 3600 USD/h)
target tiny = local(disk: 1 KB)
target cluster = ray(address: "ray://head:10001", nodes: [node(count: 2, cpus: 64)], store: "s3://store")
"""


@pytest.fixture
def placed(curate: Path) -> Path:
    """The spec of rows with targets."""
    curate.write_text(curate.read_text() + TARGETS)
    return curate


def test_a_target_that_is_not_declared_is_a_message(fusec: Fusec, placed: Path) -> None:
    for command in ("check", "plan", "run"):
        said = fusec(command, placed, "--target", "smal")
        assert said.code == 1
        assert "FUSE101" in said.err
        assert "write `small`" in said.err
    assert not Path(".fusec").exists()


def test_no_target_is_chosen_by_itself(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text() + "\ntarget tiny = local(disk: 1 KB)\n")
    assert fusec("check", curate).code == 0
    assert json.loads(fusec("plan", curate, "--json").out)["target"] is None


def test_check_looks_at_the_target(fusec: Fusec, placed: Path) -> None:
    assert fusec("check", placed, "--target", "small").code == 0
    said = fusec("check", placed, "--target", "cluster")
    assert said.code == 1
    assert "FUSE501" in said.err
    assert "local file" in said.err
    answer = json.loads(fusec("check", placed, "--target", "cluster", "--json").out)
    assert [problem["code"] for problem in answer["problems"]] == ["FUSE501"]


def test_a_plan_has_the_prices_of_its_target(
    fusec: Fusec, placed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    answer = json.loads(fusec("plan", placed, "--target", "small", "--json").out)
    assert (answer["target"], answer["totals"]["currency"]) == ("small", "USD")
    assert answer["totals"]["price"] == pytest.approx(answer["totals"]["seconds"])
    new = [node for node in answer["nodes"] if node["state"] == "new"]
    assert all(node["price"] == pytest.approx(node["seconds"]) for node in new)
    said = fusec("plan", placed, "--target", "small")
    first = next(line for line in said.out.splitlines() if " new " in line)
    assert " 0.32 USD " in first  # a dollar per second, and the first step loads a library
    assert "USD" in next(line for line in said.out.splitlines() if line.startswith("  total"))


def test_what_does_not_fit_stops_before_anything_runs(fusec: Fusec, placed: Path) -> None:
    for command in ("plan", "run"):
        said = fusec(command, placed, "--target", "tiny")
        assert said.code == 1
        assert "FUSE305" in said.err
    assert not Path("out").exists()


def test_a_run_uses_the_processors_of_its_target(fusec: Fusec, placed: Path) -> None:
    said = fusec("run", placed, "--target", "small", "--threads", "2")
    assert said.code == 4
    assert "`small` has 1 processor" in said.err
    said = fusec("run", placed, "--target", "small", "--json")
    assert said.code == 0
    manifest = json.loads(Path(json.loads(said.out)["manifest"]).read_text())
    assert manifest["environment"]["threads"] == 1


def test_a_saved_plan_keeps_its_target(fusec: Fusec, placed: Path) -> None:
    fusec("lock", placed)
    assert fusec("plan", placed, "--target", "small", "-o", "small.plan").code == 0
    said = fusec("run", "small.plan", "--threads", "2")
    assert said.code == 4
    assert "`small` has 1 processor" in said.err
    assert fusec("run", "small.plan", "--target", "small").code == 1


def test_a_cluster_is_planned_for_and_not_run_on(fusec: Fusec, tmp_path: Path) -> None:
    spec = tmp_path / "scratch.fuse"
    spec.write_text(
        "edition 2026\nparam seed = 1\n"
        'data words from "pkg:email/*.py" { format: text }\n'
        "report profile = describe { data: words }\n"
        f'{TARGETS}output profile to "./profile.json"\n'
    )
    assert fusec("plan", spec, "--target", "cluster").code == 0
    said = fusec("run", spec, "--target", "cluster")
    assert said.code == 1
    assert "`cluster` is a ray cluster" in said.err
    assert not (tmp_path / ".fusec").exists()


# --- --sweep ------------------------------------------------------------------------------


def test_a_sweep_plans_once_per_value(fusec: Fusec, placed: Path) -> None:
    said = fusec("plan", placed, "--target", "small", "--sweep", "least=10,20")
    assert said.code == 0
    head, *rows = [line.split() for line in said.out.splitlines()]
    assert head == ["least", "reads", "writes", "time", "gpu-hours", "price", "error", "plan"]
    assert [row[0] for row in rows] == ["10", "20"]
    assert len({row[-1] for row in rows}) == 2
    one = json.loads(fusec("plan", placed, "--target", "small", "--set", "least=20", "--json").out)
    answer = json.loads(fusec("plan", placed, "--target", "small", "--sweep", "least=10,20", "--json").out)
    assert answer["sweep"] == ["least"]
    assert answer["rows"][1] == {"values": {"least": "20"}, **one}
    assert not Path(".fusec").exists()


def test_a_sweep_shows_which_values_exceed_a_budget(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text() + "\nparam bound = 1 GB\nbudget { reads: bound }\n")
    said = fusec("plan", curate, "--sweep", "bound=1KB,1GB")
    assert said.code == 0
    assert [line.endswith("exceeds reads") for line in said.out.splitlines()[1:]] == [True, False]


@pytest.mark.parametrize(
    ("sweep", "says"),
    [
        ("least", "is not `name=value,value`"),
        ("least=", "is not `name=value,value`"),
        ("least=1,,2", "is not `name=value,value`"),
        ("least=1..5", "is not `low..high/count`"),
        ("least=1..5/1", "is a range of 2 to"),
        ("least=1rows..5GB/3", "goes from rows to GB"),
        ("least=1parsec..5/3", "`parsec` is not a unit"),
        ("least=0..5*3", "numbers above 0 only"),
        ("lest=1,2", "FUSE111"),
        ("least=1 GB", "FUSE206"),
        ("seed=1", "both set and swept"),
    ],
)
def test_a_sweep_of_what_cannot_be_swept(fusec: Fusec, curate: Path, sweep: str, says: str) -> None:
    said = fusec("plan", curate, "--set", "seed=3", "--sweep", sweep)
    assert said.code == 1
    assert says in said.err


@pytest.mark.parametrize(
    ("sweep", "values"),
    [
        ("x=8GB,16GB", ["8GB", "16GB"]),
        ("x=1%..100%/4", ["1%", "34%", "67%", "100%"]),
        ("x=1..8GB/3", ["1GB", "4.5GB", "8GB"]),
        ("x=500MB..1GB/2", ["0.5GB", "1GB"]),
        ("x=1k..4k/3", ["1000", "2500", "4000"]),
        ("x=1..3 steps/5", ["1steps", "2steps", "3steps"]),
        ("x=0.0..1.0/3", ["0", "0.5", "1"]),
        ("x=1e-5..1e-2*4", ["1e-05", "0.0001", "0.001", "0.01"]),
        ("x=10..0/3", ["10", "5", "0"]),
        ("x=0%,1%..2%/2", ["0%", "1%", "2%"]),
        ('x=["a, b"],cosine(1, 2)', ['["a, b"]', "cosine(1, 2)"]),
    ],
)
def test_values_of_a_sweep(sweep: str, values: list[str]) -> None:
    assert [point["x"] for point in points([sweep])] == values


def test_two_sweeps_are_a_grid(fusec: Fusec, curate: Path) -> None:
    said = fusec("plan", curate, "--sweep", "least=10,20", "--sweep", "seed=1..3/3")
    head, *rows = [line.split() for line in said.out.splitlines()]
    assert head[:3] == ["least", "seed", "reads"]
    assert [row[:2] for row in rows[:6]] == [[least, seed] for least in ("10", "20") for seed in "123"]
    assert "swept twice" in fusec("plan", curate, "--sweep", "seed=1,2", "--sweep", "seed=3,4").err


def test_a_sweep_saves_no_plan(fusec: Fusec, curate: Path) -> None:
    assert fusec("plan", curate, "--sweep", "least=1,2", "-o", "x.plan").code == 1
    assert not Path("x.plan").exists()

"""`fusec doctor`: what is there, what is missing, and how good plans were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fusec.cli.health_text import costs_text, health_text
from fusec.compiler.cost import Range
from fusec.compiler.measured import Probe
from fusec.runtime.catalog import EstimateRow
from fusec.runtime.cost_errors import errors_by_verb
from fusec.runtime.health import Device, Health, StoreHealth


def row(verb: str, planned: float, took: float, reads: float = 0.0, read: float = 0.0) -> EstimateRow:
    estimate = {"range": [planned / 2, planned, planned * 2], "reads": reads}
    return EstimateRow(verb, "machine", estimate, {"seconds": took, "bytes_read": read})


def test_errors_by_verb_as_text() -> None:
    rows = [row("merge", 1.0, took, 100, 110) for took in (1.3, 1 / 1.3, 1.3)]
    rows += [row("split", 1.0, 0.01), row("init", 1.0, 1.0)]
    assert (
        "\n" + costs_text(errors_by_verb(rows))
        == """
  verb   steps  error  worst  taken/planned  within range  bytes read
  init       1    0 %    0 %           1.00          100%           -
  merge      3   30 %   30 %           1.30          100%        10 %
  split      1   x100   x100           0.01            0%           -"""
    )
    assert costs_text(()) == "  no step was computed with this store yet"


def test_health_as_text() -> None:
    def speed(likely: float) -> Range:
        return Range(likely / 2, likely, likely * 2)

    probe = Probe(
        "2026-01-31", "Chip, 2 processors", 2, speed(2e9), speed(5e8), (speed(1e11), speed(2e11)), speed(4e9)
    )
    found = Health(
        "0.1.0",
        "3.11.7",
        {"torch": "2.13.0", "numpy": "2.4.6"},
        (Device("Chip, 2 processors", 16 * 10**9), Device("NVIDIA H100", 80 * 10**9)),
        StoreHealth(".fusec", results=3, runs=1, steps=12, free=5 * 10**10),
        probe,
        ("pyarrow is not installed: `pip install pyarrow`",),
    )
    assert (
        "\n" + health_text(found)
        == """
  fusec              0.1.0, Python 3.11.7
  with               torch 2.13.0, numpy 2.4.6
  devices            Chip, 2 processors, 16 GB of memory
                     NVIDIA H100, 80 GB of memory
  store              .fusec: 3 results, 1 runs, 50 GB free on its disk
  learned            from 12 earlier steps; `fusec doctor costs` shows how well
  probed 2026-01-31  reads 2 GB/s, writes 500 MB/s
                     decodes weights at 4 GB/s a thread
                     100 GFLOP/s with 1 thread, 200 with 2
  missing            pyarrow is not installed: `pip install pyarrow`"""
    )


def test_without_a_store_it_says_what_is_missing(fusec: Any, tmp_path: Path) -> None:
    said = fusec("doctor", "--store", tmp_path / "none")
    assert said.code == 0
    assert "there is no store at" in said.out
    assert not (tmp_path / "none").exists()
    assert json.loads(fusec("doctor", "--json", "--store", tmp_path / "none").out)["store"] is None


def test_after_a_run_it_knows_how_good_the_plan_was(
    fusec: Any, curate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fusec("run", curate).code == 0
    found = json.loads(fusec("doctor", "costs", "--store", ".fusec", "--json").out)
    assert {each["verb"] for each in found} >= {"split", "describe"}
    steps = sum(each["steps"] for each in found)
    assert f"from {steps} earlier steps" in fusec("doctor", "--store", ".fusec").out
    said = fusec("plan", curate, "--store", "other", "--verbose")
    assert "as stated              0" in said.out


def test_options_of_a_part_go_behind_it(fusec: Any) -> None:
    said = fusec("doctor", "--json", "costs")
    assert said.code == 1
    assert "options go behind `costs`" in said.err

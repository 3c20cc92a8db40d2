"""Limits of a budget on the command line: `show` has what was estimated beside what was used."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fusec.compiler.plan import decode_plan, encode_plan

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


@pytest.fixture
def bounded(curate: Path) -> Path:
    """The spec of rows with a budget that is large enough."""
    curate.write_text(curate.read_text() + "\nbudget { reads: 1 GB, wall: 1 h }\n")
    return curate


def test_show_has_estimates_beside_what_was_used(fusec: Fusec, bounded: Path) -> None:
    done = json.loads(fusec("run", bounded, "--json").out)
    said = fusec("show", done["run"])
    lines = [line.split() for line in said.out.splitlines()]
    at = lines.index(["budget", "limit", "estimate", "used", "of", "the", "limit"])
    assert [line[:3] for line in lines[at + 1 : at + 3]] == [["reads", "1", "GB"], ["wall", "1", "h"]]
    limits = {
        limit["name"]: limit for limit in json.loads(fusec("show", done["run"], "--json").out)["limits"]
    }
    assert limits["reads"]["used"] == done["io"]["bytes_read"]
    assert done["budgets"] == list(limits.values())


def test_a_crossing_ends_the_command_with_its_code_and_step(fusec: Fusec, bounded: Path) -> None:
    assert fusec("lock", bounded).code == 0
    assert fusec("plan", bounded, "-o", "saved.plan").code == 0
    saved = Path("saved.plan")
    plan = decode_plan(saved.read_bytes())
    tight = tuple(msgspec.structs.replace(limit, limit=1.0) for limit in plan.limits[:1])
    saved.write_bytes(encode_plan(msgspec.structs.replace(plan, limits=tight)))
    said = fusec("run", "saved.plan")
    assert said.code == 4
    assert "error[FUSE310]: the run used " in said.err
    assert "of `reads`, the budget allows 1 B: nothing is done after `" in said.err
    assert "hint: what was finished is kept: run again to go on from there, or raise `reads`" in said.err
    assert fusec("run", bounded).code == 0


def test_a_plan_says_when_each_step_runs(fusec: Fusec, bounded: Path) -> None:
    answer = json.loads(fusec("plan", bounded, "--json").out)
    times = [node["when"] for node in answer["nodes"] if node["state"] == "new"]
    assert times[0][0] == 0
    assert [end for _, end in times[:-1]] == [begin for begin, _ in times[1:]], "one after another"
    assert set(answer["critical_path"]) <= {node["name"] for node in answer["nodes"]}
    said = fusec("plan", bounded, "--verbose").out
    assert "* critical path: " in said
    assert "this machine" in said

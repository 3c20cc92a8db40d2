"""plan: the table, its JSON, the graph, and the comparison with a saved plan."""

import json
from pathlib import Path
from typing import Any

import pytest

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


def test_the_table_names_states_prices_and_what_is_not_pinned(
    fusec: Fusec, curate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    said = fusec("plan", curate)
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines() if line]
    assert lines[0] == ["node", "state", "reads", "time", "grade", "note"]
    assert [line[:2] for line in lines[1:5]] == [
        ["notes/source", "new"],
        ["notes/filter", "new"],
        ["notes", "new"],
        ["profile", "new"],
    ]
    assert lines[5] == ["output", "-", "-", "exact", "notes.train", "->", "./out/train.jsonl"]
    assert "sources  1 of 1 not pinned by content; `fusec lock curate.fuse` pins them" in said.out
    assert "rates    local cpu, built-in rates" in said.out


def test_lines_keep_within_80_columns(fusec: Fusec, model_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model_run.folder)
    monkeypatch.setenv("COLUMNS", "80")
    said = fusec("plan", "model.fuse", "--store", "other")
    assert max(map(len, said.out.splitlines())) <= 80


def test_members_of_a_family_share_a_line_while_they_share_a_state(
    fusec: Fusec, model_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_run.folder)
    said = fusec("plan", "model.fuse", "--store", "other")
    assert "expert[long short]  new" in said.out
    assert "budget  reads" in said.out
    one = fusec("run", "model.fuse", "--store", "other", "--only", "part[long]")
    assert one.code == 0
    said = fusec("plan", "model.fuse", "--store", "other")
    assert "part[long]          stored" in said.out
    assert "part[short]         new" in said.out


def test_what_is_stored_costs_nothing(fusec: Fusec, model_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model_run.folder)
    answer = json.loads(fusec("plan", "model.fuse", "--json").out)
    assert {node["state"] for node in answer["nodes"]} == {"stored"}
    assert answer["totals"]["seconds"] == 0
    assert answer["budgets"] == [{"name": "reads", "limit": 1e9, "planned": 0.0, "unit": "B", "tight": False}]
    assert answer["unpinned"] == []


def test_json_has_the_fields_that_tools_read(fusec: Fusec, curate: Path) -> None:
    answer = json.loads(fusec("plan", curate, "--json").out)
    fields = {"name", "verb", "state", "id", "grade", "reads_bytes", "writes_bytes", "seconds", "price"}
    assert all(fields <= set(node) for node in answer["nodes"])
    assert {"totals", "budgets", "passes", "plan"} <= set(answer)


def test_a_budget_that_does_not_suffice_is_an_error(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    curate.write_text(curate.read_text() + "\nbudget {\n  reads: 1 KB\n}\n")
    for command in ("plan", "run"):
        said = fusec(command, curate)
        assert said.code == 1
        assert "FUSE301" in said.err
    assert not (tmp_path / "out").exists()


def test_the_graph_prints_before_and_behind_passes(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text() + "\nreport idle = describe { data: notes.test }\n")
    assert "%idle = describe" not in fusec("plan", curate, "--ir").out
    assert "%idle = describe" in fusec("plan", curate, "--ir", "--after", "cse").out
    assert "%idle = describe" in fusec("plan", curate, "--ir", "--without", "prune_goals").out
    said = fusec("plan", curate, "--without", "prune_gaols")
    assert said.code == 1
    assert "there is no pass `prune_gaols`" in said.err


def test_verbose_shows_identities_and_ranges(fusec: Fusec, curate: Path) -> None:
    node = json.loads(fusec("plan", curate, "--json").out)["nodes"][0]
    said = fusec("plan", curate, "--verbose")
    assert node["id"][:12] in said.out
    assert "prune_goals" in said.out and "nothing to do" in said.out


def test_only_takes_the_place_of_the_goals(fusec: Fusec, curate: Path) -> None:
    answer = json.loads(fusec("plan", curate, "--only", "notes", "--json").out)
    assert [node["name"] for node in answer["nodes"]] == ["notes/source", "notes/filter", "notes"]
    said = fusec("plan", curate, "--only", "nites")
    assert said.code == 1
    assert "called `nites`" in said.err


def test_planning_makes_no_store(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    fusec("plan", curate)
    assert not (tmp_path / ".fusec").exists()


# --- --check ------------------------------------------------------------------------------


def test_check_is_content_with_other_names_and_another_order(fusec: Fusec, curate: Path) -> None:
    fusec("plan", curate, "-o", "saved.plan")
    curate.write_text(curate.read_text().replace("notes.t", "rows.t").replace("data notes", "data rows"))
    said = fusec("plan", curate, "--check", "saved.plan")
    assert said.code == 0, said.out


def test_check_says_what_changed_and_what_follows(fusec: Fusec, curate: Path) -> None:
    fusec("plan", curate, "-o", "saved.plan")
    said = fusec("plan", curate, "--set", "seed=8", "--check", "saved.plan")
    assert said.code == 2
    assert said.out.splitlines()[1:] == ["  ~ notes: seed: 7 -> 8", "    follows: profile"]
    curate.write_text(curate.read_text().replace("./out/train.jsonl", "./out/rows.jsonl"))
    said = fusec("plan", curate, "--check", "saved.plan")
    assert said.code == 2
    assert '  + goal output(%notes.train, "./out/rows.jsonl")' in said.out.splitlines()


def test_check_against_something_that_is_no_plan(fusec: Fusec, curate: Path) -> None:
    said = fusec("plan", curate, "--check", curate)
    assert said.code == 1
    assert "is not a plan" in said.err

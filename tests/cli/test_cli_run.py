"""run, runs, show, replay, verify: the run itself and everything after it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from fusec.cli.amounts import count_text, size_text
from fusec.runtime.manifest import load_manifest, write_manifest

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


def manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob(".fusec/runs/*/manifest.json"))


# --- run ----------------------------------------------------------------------------------


def test_a_run_pins_computes_checks_and_publishes(fusec: Fusec, curate: Path) -> None:
    said = fusec("run", curate)
    assert said.code == 0
    assert "pinned 1 source by content in curate.fuse.lock" in said.err
    assert "done    notes/filter" in said.err
    assert "✓ profile.rows >= 10" in said.out or "ok profile.rows >= 10" in said.out
    assert len(Path("out/train.jsonl").read_text().splitlines()) == 30
    (manifest,) = manifests(Path())
    assert f"replay    fusec replay {manifest}" in said.out
    assert load_manifest(manifest).semantic_digest in said.out


def test_a_second_run_reuses_everything(fusec: Fusec, curate: Path) -> None:
    first = json.loads(fusec("run", curate, "--json").out)
    said = fusec("run", curate)
    assert said.code == 0
    assert "everything reused" in said.out
    assert first["semantic_digest"] in said.out


def test_json_is_one_object_and_nothing_else(fusec: Fusec, curate: Path) -> None:
    said = fusec("run", curate, "--json")
    answer = json.loads(said.out)
    assert answer["outputs"] == {"notes.train": "./out/train.jsonl"}
    assert answer["checks"] == {"profile.rows >= 10": {"passed": True, "values": {"profile.rows": 30.0}}}
    assert Path(answer["manifest"]).is_file()
    assert {"run", "seconds", "io"} <= set(answer)


def test_a_closed_gate_publishes_nothing_and_no_gate_does(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text().replace("profile.rows >= 10", "profile.rows >= 1000"))
    said = fusec("run", curate)
    assert said.code == 3
    assert "nothing was published" in said.out
    assert "profile.rows 30" in said.out
    assert not Path("out").exists()
    assert fusec("run", curate, "--no-gate").code == 0
    assert Path("out/train.jsonl").exists()


def test_a_failed_run_says_why_and_keeps_what_was_there(fusec: Fusec, curate: Path) -> None:
    Path("out").mkdir()
    Path("out/train.jsonl").write_text("mine\n")
    said = fusec("run", curate)
    assert said.code == 4
    assert "fusec did not write it" in said.err
    assert "hint: move it away" in said.err
    assert "Traceback" not in said.err
    assert Path("out/train.jsonl").read_text() == "mine\n"


def test_a_source_that_changed_behind_the_lock_fails_the_run(fusec: Fusec, curate: Path) -> None:
    fusec("lock", curate)
    Path("notes.jsonl").write_text('{"text": "somebody else was here"}\n' * 40)
    said = fusec("run", curate)
    assert said.code == 4
    assert "notes.jsonl" in said.err and "changed since it was locked" in said.err


def test_a_saved_plan_runs_from_anywhere(
    fusec: Fusec, curate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fusec("plan", curate, "-o", "early.plan")
    early = fusec("run", "early.plan")
    assert early.code == 1
    assert "FUSE403" in early.err
    fusec("lock", curate)
    fusec("plan", curate, "-o", "saved.plan")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert fusec("run", "../saved.plan").code == 0
    assert (tmp_path / "out/train.jsonl").is_file()
    assert fusec("run", "../saved.plan", "--set", "seed=8").code == 1


def test_a_setting_changes_what_is_made(fusec: Fusec, curate: Path) -> None:
    a = json.loads(fusec("run", curate, "--json").out)
    b = json.loads(fusec("run", curate, "--json", "--set", "seed=8").out)
    assert a["semantic_digest"] != b["semantic_digest"]
    assert b["reused"] == 2  # the rows as read and as filtered


# --- runs, show ---------------------------------------------------------------------------


def test_runs_lists_the_newest_first_and_show_takes_a_prefix(fusec: Fusec, curate: Path) -> None:
    assert fusec("runs").code == 1
    run = json.loads(fusec("run", curate, "--json").out)["run"]
    listed = fusec("runs").out.splitlines()
    assert listed[1].split()[:3] == [run, "curate.fuse", "done"]
    said = fusec("show", run[:-1])
    assert said.code == 0
    head, first = (line.split() for line in said.out.splitlines()[:2])
    assert head == ["step", "time", "planned", "read", "planned", "written", "planned"]
    assert first[:2] == ["notes/source", "ran"]
    assert fusec("show", manifests(Path())[0]).out == said.out
    assert json.loads(fusec("show", run, "--json").out)["run"] == run


def test_show_has_estimates_beside_actuals_and_their_sums(
    fusec: Fusec, model_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model_run.folder, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    run = model_run.answer["run"]
    said = fusec("show", run).out
    assert max(map(len, said.splitlines())) <= 80
    read, counted = re.findall(r"^  total +9 of 9(.*)$", said, re.MULTILINE)
    nodes = json.loads(fusec("show", run, "--json").out)["nodes"]
    took = sum(node["actual"].get("bytes_read", 0) for node in nodes)
    planned = sum(node["estimate"]["reads"][1] for node in nodes if "reads" in node["estimate"])
    assert f"{size_text(took)}  " in read and f"{size_text(planned)}  " in read
    assert count_text(sum(node["actual"].get("tokens", 0) for node in nodes)) in counted
    again = fusec("run", "model.fuse", "--json", "--threads", "1")
    said = fusec("show", json.loads(again.out)["run"]).out
    assert re.search(r"^  merged +reused +-( +-)+$", said, re.MULTILINE)


def test_show_of_a_run_that_is_not_there(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    said = fusec("show", "19700101")
    assert said.code == 1
    assert "no run begins with `19700101`" in said.err


# --- replay, verify -----------------------------------------------------------------------


def test_replay_finds_the_same_bytes_and_leaves_the_store_alone(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    fusec("run", curate)  # reused throughout: replay computes all the same
    before = sorted(Path(".fusec").rglob("*"))
    said = fusec("replay", manifests(Path())[-1])
    assert said.code == 0
    assert said.out.splitlines() == ["  exact  4 of 4 equal", "  all 4 results and 1 check equal"]
    assert sorted(Path(".fusec").rglob("*")) == before


def test_replay_names_what_differs(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    (path,) = manifests(Path())
    manifest = load_manifest(path)
    nodes = tuple(
        structs.replace(node, root="0" * 64) if node.name == "notes" else node for node in manifest.nodes
    )
    write_manifest(path, structs.replace(manifest, nodes=nodes))
    said = fusec("replay", path)
    assert said.code == 2
    assert "exact  3 of 4 equal" in said.out
    assert "node  notes  root  000000000000 -> " in said.out
    answer = json.loads(fusec("replay", path, "--json").out)
    assert answer["equal"] is False
    assert answer["differences"][0]["name"] == "notes"


def test_replay_fails_where_a_source_is_gone(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    Path("notes.jsonl").unlink()
    said = fusec("replay", manifests(Path())[0])
    assert said.code == 4
    assert "notes.jsonl" in said.err


@pytest.mark.parametrize("command", ["replay", "verify", "show"])
def test_a_manifest_that_was_altered_is_refused(fusec: Fusec, curate: Path, command: str) -> None:
    fusec("run", curate)
    (path,) = manifests(Path())
    path.write_text(path.read_text().replace('"passed": true', '"passed": false'))
    said = fusec(command, path)
    assert said.code == 1
    assert "was changed after it was written" in said.err


def test_verify_sees_one_flipped_byte(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    (path,) = manifests(Path())
    assert fusec("verify", path).code == 0
    flip(Path("out/train.jsonl"))
    said = fusec("verify", path)
    assert said.code == 2
    assert said.out.splitlines() == ["  output ./out/train.jsonl: changed since it was published"]
    (stored,) = Path(".fusec/objects/report").glob("*/report.json")
    stored.chmod(0o644)
    flip(stored)
    assert "result profile: report.json changed" in fusec("verify", path).out


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# --- the whole way ------------------------------------------------------------------------


def test_a_model_is_trained_merged_scored_and_published(model_run: Any) -> None:
    merged = model_run.folder / "out/merged"
    assert {"config.json", "model.safetensors", "README.md"} <= {path.name for path in merged.iterdir()}
    assert model_run.answer["grade"] == "seeded"
    assert model_run.answer["io"]["expert_bytes"] > 0


def test_the_table_of_results_has_a_row_for_each_model(
    fusec: Fusec, model_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_run.folder)
    said = fusec("show", model_run.answer["run"])
    rows = [line.split() for line in said.out.splitlines()]
    assert ["loss", "long", "short", "average", "perplexity"] in rows
    at = rows.index(["loss", "long", "short", "average", "perplexity"])
    before, after = rows[at + 1 : at + 3]
    assert (before[0], after[0]) == ("before", "after")
    assert float(after[3]) < float(before[3])


def test_a_trained_model_replays_to_the_same_bytes(
    fusec: Fusec, model_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_run.folder)
    said = fusec("replay", model_run.answer["manifest"], "--json")
    answer = json.loads(said.out)
    assert (said.code, answer["differences"]) == (0, [])
    assert answer["nodes"]["equal"] == answer["nodes"]["compared"] == {"exact": 4, "seeded": 5, "external": 0}

"""What a run promises: grades that are required, sources that are pinned, bytes that agree."""

import json
from pathlib import Path
from typing import Any

from msgspec import structs

from fusec.runtime.manifest import load_manifest, write_manifest

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


def manifests() -> list[Path]:
    return sorted(Path(".fusec/runs").glob("*/manifest.json"))


TRAINED = """\
edition 2026

param seed = 3

data rows from "notes.jsonl"
tokenizer bytes = train_tokenizer { data: rows, vocab: 280 }
model base = init {
  tokenizer: bytes
  arch: llama(layers: 1, hidden: 16, heads: 2, context: 16)
}

output base to "./out/base"
output bytes to "./out/bytes"
"""


# --- FUSE403, FUSE405 ---------------------------------------------------------------------


def test_a_plan_saved_over_loose_sources_says_so(fusec: Fusec, curate: Path) -> None:
    said = fusec("plan", curate, "-o", "early.plan")
    assert said.code == 0
    assert said.err.startswith("warning[FUSE403]: `notes/source` is not pinned\n")
    assert "there is no lock" in said.err
    denied = fusec("check", curate, "--deny", "403")
    assert denied.code == 1
    assert denied.err.startswith("error[FUSE403]: ")
    fusec("lock", curate)
    assert fusec("plan", curate, "-o", "late.plan").err == ""
    assert fusec("check", curate, "--deny", "403").code == 0
    curate.write_text(curate.read_text().replace('"notes.jsonl"', '"./notes.jsonl"'))
    assert "not in the lock" in fusec("plan", curate, "-o", "later.plan").err


def test_a_grade_that_is_required(fusec: Fusec, curate: Path) -> None:
    assert fusec("plan", curate, "--require", "exact").code == 0
    curate.write_text(TRAINED)
    said = fusec("plan", curate, "--require", "exact")
    assert said.code == 1
    assert (
        said.err
        == """\
error[FUSE405]: the output `base` is seeded, exact is required
  --> curate.fuse:12:1
   |
 7 | model base = init {
   |              ---- `init` is seeded
12 | output base to "./out/base"
   | ^^^^^^ made by way of `base`
   |
  why: seeded means the same bytes for one seed on one kind of machine; exact means the same bytes everywhere
  fix: take the result of `base` as a source that is pinned, or allow it: `--require seeded`

1 error
"""
    )
    assert fusec("plan", curate, "--require", "exact", "--only", "bytes").code == 0
    assert fusec("plan", curate, "--require", "seeded").code == 0
    assert fusec("run", curate, "--require", "exact").code == 1
    assert manifests() == []


def test_a_saved_plan_keeps_its_grade(fusec: Fusec, curate: Path) -> None:
    curate.write_text(TRAINED)
    fusec("lock", curate)
    fusec("plan", curate, "-o", "saved.plan")
    said = fusec("run", "saved.plan", "--require", "exact")
    assert said.code == 1
    assert said.err.startswith("error[FUSE405]: what saved.plan makes is seeded, exact is required\nhint: ")
    assert manifests() == []


# --- FUSE406, FUSE407, FUSE505 ----------------------------------------------------------------


def test_replay_blames_the_exact_step_that_differs_first(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    (path,) = manifests()
    manifest = load_manifest(path)
    other = tuple(structs.replace(node, root="0" * 64) for node in manifest.nodes)
    write_manifest(path, structs.replace(manifest, nodes=other))
    said = fusec("replay", path)
    assert said.code == 2
    blamed = [line for line in said.err.splitlines() if "FUSE406" in line]
    assert len(blamed) == 1
    assert blamed[0].startswith(
        "error[FUSE406]: `notes/source` claims to be exact and gave other bytes: 000000000000 then, "
    )


def test_replay_says_how_the_environment_differs(fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    (path,) = manifests()
    manifest = load_manifest(path)
    environment = manifest.environment
    libraries = {**environment.libraries, "numpy": "1.0"}
    environment = structs.replace(environment, python="3.0.1", libraries=libraries)
    write_manifest(path, structs.replace(manifest, environment=environment))
    said = fusec("replay", path)
    assert said.code == 0
    told = "warning[FUSE407]: the run was made with Python 3.0.1, numpy 1.0, this is Python "
    assert told in said.err
    (problem,) = json.loads(fusec("replay", path, "--json").out)["problems"]
    assert (problem["code"], problem["level"], problem["spans"]) == ("FUSE407", "warning", [])


def test_a_file_of_a_newer_fusec_is_refused_by_its_code(fusec: Fusec, curate: Path) -> None:
    fusec("lock", curate)
    lock = curate.with_name("curate.fuse.lock")
    lock.write_text(lock.read_text().replace('"version": 1', '"version": 99'))
    said = fusec("check", curate)
    assert said.code == 1
    assert said.err == (
        "error[FUSE505]: the lock curate.fuse.lock has format 99, this fusec reads up to 1\n"
        "hint: use the newer fusec that wrote it\n"
    )


def test_what_is_told_while_running_has_a_page(fusec: Fusec) -> None:
    for code in ("FUSE310", "FUSE402", "FUSE403", "FUSE405", "FUSE406", "FUSE407", "FUSE505"):
        assert fusec("explain", code).code == 0

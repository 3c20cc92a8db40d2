"""Where blocks come from, what was made from a model, and how to have it again without a catalog."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest


def origin(fusec, manifest: Path, tensor: str) -> dict[int, set[str]]:
    (found,) = json.loads(fusec("show", manifest, "--origin", tensor, "--json").out)
    return {
        block: set(run["experts"]) for run in found["runs"] for block in range(run["first"], run["last"] + 1)
    }


def test_blocks_are_traced_to_the_experts_that_changed_them(run, fusec, changed) -> None:
    manifest = run("--set", "reads=32%")
    found = origin(fusec, manifest, "model.layers.1.up.weight")
    assert sorted(found) == list(range(8))
    for expert, blocks in changed.items():
        assert all(expert in found[block] for block in blocks), expert
    assert any(not experts for experts in found.values())
    said = fusec("show", manifest, "--origin", "model.layers.1.up.weight").out
    assert "blocks of 4096 elements" in said and "  base\n" in said


def test_a_run_of_blocks_is_as_long_as_it_can_be(run, fusec) -> None:
    (found,) = json.loads(fusec("show", run(), "--origin", "model.layers.0.up.weight", "--json").out)
    runs = found["runs"]
    assert [run["first"] for run in runs[1:]] == [run["last"] + 1 for run in runs[:-1]]
    assert all(a["experts"] != b["experts"] for a, b in pairwise(runs))


def test_kept_tensors_are_the_bases_and_full_merges_are_everybodys(run, fusec) -> None:
    assert origin(fusec, run(), "norm.weight") == {0: set()}
    full = run("--set", "reads=100%")
    assert origin(fusec, full, "norm.weight") == {0: set()}
    assert origin(fusec, full, "model.layers.0.up.weight") == {0: {"math", "code", "law"}}


def test_a_tensor_that_is_nowhere_is_an_error(run, fusec) -> None:
    said = fusec("show", run(), "--origin", "lm_head")
    assert said.code == 1 and "holds a tensor `lm_head`" in said.err


# --- what was made from a model -------------------------------------------------------------------

CHAIN = """
model later = merge { base: base, experts: [merged, code], method: average }

output later to "./out/later"
"""


def uses(fusec, model: object) -> dict[str, dict[str, object]]:
    said = fusec("catalog", "uses", model, "--json")
    assert said.code == 0, said.err
    return {use["name"]: use for use in json.loads(said.out)}


@pytest.fixture
def chain(run, analysed) -> Path:
    spec = analysed / "spec.fuse"
    spec.write_text(spec.read_text() + CHAIN)
    run("--set", "reads=32%")
    return analysed


@pytest.mark.parametrize("model", ["law", "./law", "spec/law", "copy"])
def test_results_are_found_through_others(chain, fusec, model: str) -> None:
    shutil.copytree("law", "copy")
    found = uses(fusec, model)
    assert list(found) == ["spec/merged", "spec/later"]
    assert [use["through"] for use in found.values()] == [[], ["spec/merged"]]
    assert all(use["stale"] for use in found.values())
    assert found["spec/later"]["outputs"] == ["./out/later"]


def test_results_have_uses_too(chain, fusec) -> None:
    assert list(uses(fusec, "merged")) == list(uses(fusec, "./out/merged")) == ["spec/later"]
    assert uses(fusec, "later") == {}
    assert "nothing in the store" in fusec("catalog", "uses", "./out/later").out


def test_a_merge_that_read_nothing_of_an_expert_does_without_it(run, fusec) -> None:
    run("--set", "reads=5%")
    assert uses(fusec, "law")["spec/merged"]["stale"] is False
    assert uses(fusec, "base")["spec/merged"]["stale"] is True
    assert "no, it holds no block of it" in fusec("catalog", "uses", "law").out


def test_a_model_that_was_taken_away_is_known_by_its_name(chain, fusec) -> None:
    shutil.rmtree("law")
    assert list(uses(fusec, "./law")) == list(uses(fusec, "law")) == ["spec/merged", "spec/later"]


def test_a_model_that_nobody_knows_is_an_error(chain, fusec) -> None:
    said = fusec("catalog", "uses", "lore")
    assert said.code == 1 and "no run of .fusec knows a model `lore`" in said.err


# --- the same again, elsewhere ----------------------------------------------------------------------


@pytest.mark.parametrize("runs", [1, 2], ids=["computed", "reused"])
def test_a_run_folder_is_enough_to_replay(run, fusec, tmp_path, runs: int) -> None:
    manifest = [run() for _ in range(runs)][-1]
    other = tmp_path / "elsewhere"
    (other / ".fusec/objects").mkdir(parents=True)
    shutil.copytree(manifest.parent, other / ".fusec/runs" / manifest.parent.name)
    for name in ("base", "math", "code", "law"):
        shutil.move(name, other / name)
    said = fusec("replay", other / ".fusec/runs" / manifest.parent.name)
    assert said.code == 0, said.err
    assert "all 1 results equal" in said.out and not (other / ".fusec/catalog.db").exists()


def test_verify_needs_no_catalog_either(run, fusec) -> None:
    manifest = run()
    Path(".fusec/catalog.db").unlink()
    assert fusec("verify", manifest).code == 0

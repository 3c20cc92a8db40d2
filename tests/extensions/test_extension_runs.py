"""A spec with verbs of an installed package, from check to replay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(fusec, site: Path) -> dict[str, str]:
    done = fusec("plan", "notes.fuse", "--json", site=site)
    assert done.returncode == 0, done.stderr
    return {node["name"]: node["id"] for node in json.loads(done.stdout)["nodes"]}


def edit(site: Path, file: str, old: str, new: str) -> None:
    path = site / "acme_fuse_steps" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_it_runs_and_replays(fusec, site, spec, tmp_path):
    assert fusec("run", "notes.fuse", site=site).returncode == 0
    assert rows(tmp_path / "out/loud.jsonl")[2] == {"text": "Note 2", "loud": "NOTE 2!!"}
    assert rows(tmp_path / "out/soft.jsonl")[2] == {"text": "Note 2", "soft": "note 2"}
    (manifest,) = tmp_path.glob(".fusec/runs/*/manifest.json")
    lock = json.loads((tmp_path / "notes.fuse.lock").read_text())
    (pin,) = json.loads(manifest.read_text())["packages"]
    assert lock["packages"] == [pin]
    assert (pin["name"], pin["version"]) == ("acme_fuse_steps", "1.0")
    replayed = fusec("replay", str(manifest), site=site)
    assert "all 5 results equal" in replayed.stdout
    assert "acme_fuse_steps 1.0" in fusec("show", str(manifest), site=site).stdout


def test_an_edit_changes_the_identity_of_what_the_package_makes_and_nothing_else(fusec, site, spec):
    before = ids(fusec, site)
    edit(site, "kernels/rewrite.py", "utf8_upper", "utf8_swapcase")
    after = ids(fusec, site)
    assert {name for name in before if before[name] != after[name]} == {"loud", "soft/head", "soft"}


def test_what_is_not_code_or_data_of_the_package_changes_nothing(fusec, site, spec):
    before = ids(fusec, site)
    (site / "acme_fuse_steps/__pycache__").mkdir()
    (site / "acme_fuse_steps/__pycache__/rewrite.cpython-311.pyc").write_bytes(b"x")
    spec.write_text(spec.read_text().replace("acme.", "a.").replace("as acme", "as a"))
    assert ids(fusec, site) == before


def test_a_package_that_is_not_what_the_lock_holds_is_stale(fusec, site, spec):
    assert fusec("lock", "notes.fuse", site=site).returncode == 0
    edit(site, "methods.py", "Small letters.", "Only small letters.")
    stale = fusec("check", "notes.fuse", site=site)
    assert stale.returncode == 1
    assert "FUSE402" in stale.stderr and "`fusec lock notes.fuse --update acme`" in stale.stderr
    assert fusec("lock", "notes.fuse", site=site).returncode == 1
    assert "pinned acme" in fusec("lock", "notes.fuse", "--update", "acme", site=site).stdout
    assert fusec("check", "notes.fuse", site=site).returncode == 0


def test_a_replay_needs_the_package_as_it_was(fusec, site, spec, tmp_path):
    assert fusec("run", "notes.fuse", site=site).returncode == 0
    (manifest,) = tmp_path.glob(".fusec/runs/*/manifest.json")
    edit(site, "kernels/rewrite.py", "utf8_upper", "utf8_swapcase")
    for found, words in ((site, "is installed here"), (None, "no such package is installed")):
        done = fusec("replay", str(manifest), site=found)
        assert done.returncode == 4
        assert "error[FUSE504]: the plan" in done.stderr and words in done.stderr
        assert "Traceback" not in done.stderr


def test_a_kernel_that_fails_is_named_with_its_line(fusec, site, spec):
    edit(site, "kernels/rewrite.py", "    loud =", '    raise KeyError("no voice")\n    loud =')
    done = fusec("run", "notes.fuse", site=site)
    assert done.returncode == 4
    assert "`loud` failed in the code of acme_fuse_steps 1.0: KeyError: 'no voice'" in done.stderr
    assert "(acme_fuse_steps.kernels.rewrite, line " in done.stderr


def test_its_verbs_and_methods_have_pages(fusec, site):
    verb = fusec("explain", "acme.rewrite", site=site).stdout
    assert "Say a text column in another voice" in verb and 'extend "acme_fuse_steps"' in verb
    assert "a method of `merge`" in fusec("explain", "acme_fuse_steps.median", site=site).stdout
    assert "no page about `acme.rewrote`" in fusec("explain", "acme.rewrote", site=site).stderr


@pytest.mark.parametrize("count", [3, 4])
def test_a_merge_method_of_the_package_joins_the_family(fusec, site, tmp_path, count):
    rng = np.random.default_rng(count)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "float32"}
    weights = []
    for name in ("base", *(f"x{i}" for i in range(count))):
        weights.append(rng.standard_normal((5, 3)).astype(np.float32))
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({**config, "vocab_size": 5}))
        save_file({"model.embed_tokens.weight": weights[-1]}, tmp_path / name / "model.safetensors")
    experts = "".join(f'model x{i}: Model[_, _, root: base] from "./x{i}"\n' for i in range(count))
    listed = ", ".join(f"x{i}" for i in range(count))
    (tmp_path / "merge.fuse").write_text(
        f'edition 2026\n\nextend "acme_fuse_steps" as acme\n\nmodel base from "./base"\n{experts}\n'
        f"model merged = merge {{ base: base, experts: [{listed}], method: acme.median }}\n\n"
        'output merged to "./out"\n'
    )
    done = fusec("run", "merge.fuse", site=site)
    assert done.returncode == 0, done.stderr
    merged = load_file(tmp_path / "out/model.safetensors")["model.embed_tokens.weight"]
    # Two roundings of half the sum are those of the sum: halving is exact here.
    assert np.array_equal(merged, np.median(np.stack(weights[1:]), axis=0))

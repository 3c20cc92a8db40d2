"""`fusec diff`: specs, plans, runs and manifests against each other."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fusec.runtime.manifest import load_manifest, write_manifest

Fusec = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(fusec: Fusec, curate: Path) -> str:
    """The name of a run of the spec."""
    return str(json.loads(fusec("run", curate, "--json")[1])["run"])


def changed(curate: Path, *edits: tuple[str, str]) -> str:
    """Another spec beside it, over the same pinned sources."""
    text = curate.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    Path("other.fuse").write_text(text)
    shutil.copy(f"{curate}.lock", "other.fuse.lock")
    return "other.fuse"


def test_one_work_in_every_form_is_the_same(fusec: Fusec, curate: Path, run: str) -> None:
    fusec("plan", curate, "-o", "saved.plan")
    forms = [
        curate,
        changed(curate, ("profile", "summary")),
        "saved.plan",
        run,
        f".fusec/runs/{run}",
        f".fusec/runs/{run}/manifest.json",
    ]
    for form in forms:
        code, out, err = fusec("diff", curate, form)
        assert (code, err) == (0, "") and out.startswith(f"{curate} and {form} ask for the same work"), form


def test_what_differs_is_said_in_words(fusec: Fusec, curate: Path, run: str) -> None:
    other = changed(curate, ("test: 25%", "test: 50%"), ("= 7", "= 8"))
    code, out, _ = fusec("diff", run, other)
    assert code == 2
    assert out.splitlines()[:4] == [
        "work",
        '  ~ notes: shares: [["test", 0.25]] -> [["test", 0.5]]',
        "  ~ notes: seed: 7 -> 8",
        "    follows: profile",
    ]


def test_two_runs_are_compared_by_what_they_made(fusec: Fusec, curate: Path, run: str) -> None:
    again = json.loads(fusec("run", curate, "--json")[1])["run"]
    code, out, _ = fusec("diff", run, again)
    first, heading, *amounts = out.splitlines()
    assert (code, first) == (0, f"{run} and {again} ask for the same work and made the same")
    assert heading == "amounts", "a run that reuses everything takes less, and that is no difference"
    assert re.search(r"^  ~ read: .* -> 0 B$", "\n".join(amounts), re.MULTILINE)
    third = json.loads(fusec("run", curate, "--json", "--set", "least=12", "--no-gate")[1])["run"]
    code, out, _ = fusec("diff", run, third, "--json")
    answer = json.loads(out)
    assert code == 2 and answer["kinds"] == ["run", "run"] and "work" in answer["differences"]


def test_limits_and_targets_are_compared(fusec: Fusec, curate: Path, run: str) -> None:
    bound = 'output notes.train to "./out/train.jsonl"\n'
    other = changed(curate, (bound, f"{bound}\nbudget {{ reads: 1 GB }}\n"))
    code, out, _ = fusec("diff", curate, other)
    assert (code, out.splitlines()) == (2, ["budget", "  + budget reads: 1 GB"])
    Path("third.fuse").write_text(Path(other).read_text().replace("1 GB", "2 GB"))
    shutil.copy(f"{other}.lock", "third.fuse.lock")
    assert fusec("diff", other, "third.fuse")[1].splitlines() == ["budget", "  ~ budget reads: 1 GB -> 2 GB"]


def test_scores_and_what_they_come_from(
    fusec: Fusec, model_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model_run.folder, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    first = model_run.answer["run"]
    again = fusec("run", "model.fuse", "--json", "--threads", "1", "--set", "steps=3", "--no-gate")[1]
    code, out, _ = fusec("diff", first, json.loads(again)["run"])
    assert code == 2 and max(map(len, out.splitlines())) <= 80
    parts = dict(re.findall(r"^(\w+)\n((?:  .*\n)+)", out, re.MULTILINE))
    assert "  ~ expert[long]: steps: 2 steps -> 3 steps" in parts["work"]
    assert re.search(r"~ after\.average\.loss: [\d.]+ -> [\d.]+ \([+-][\d.e-]+\)", parts["scores"])
    assert "before.average.loss" not in parts["scores"], "it was reused"


def test_where_two_runs_took_place(fusec: Fusec, curate: Path, run: str) -> None:
    manifest = load_manifest(Path(f".fusec/runs/{run}/manifest.json"))
    place = msgspec.structs.replace(manifest.environment, python="3.99.0", device="cuda")
    write_manifest(Path("there.json"), msgspec.structs.replace(manifest, environment=place))
    code, out, _ = fusec("diff", run, "there.json")
    assert code == 0
    assert out.splitlines()[1:] == [
        "where",
        f"  ~ Python: {manifest.environment.python} -> 3.99.0",
        f"  ~ device: {manifest.environment.device} -> cuda",
    ]


def test_a_manifest_away_from_its_store_still_tells_nodes(fusec: Fusec, curate: Path, run: str) -> None:
    shutil.copy(f".fusec/runs/{run}/manifest.json", "kept.json")
    assert fusec("diff", "kept.json", curate)[0] == 0
    code, out, _ = fusec("diff", "kept.json", changed(curate, ("= 7", "= 8")))
    assert code == 2 and "  ~ notes: split, made another way" in out.splitlines()


@pytest.mark.parametrize("what", ["nothing.fuse", "notes.jsonl", "."])
def test_what_is_none_of_these_is_an_error(fusec: Fusec, curate: Path, run: str, what: str) -> None:
    code, out, err = fusec("diff", curate, what)
    assert (code, out) == (1, "") and err.startswith("error: ")


def test_sources_that_nobody_pinned_are_pointed_out(fusec: Fusec, curate: Path, run: str) -> None:
    Path("copy.fuse").write_text(curate.read_text())
    code, _, err = fusec("diff", curate, "copy.fuse")
    assert code == 2 and err.startswith("copy.fuse: sources are known by their headers")

"""`fusec why`: the root of a change, in words, against the run that the store remembers."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Why = Callable[..., str]


@pytest.fixture
def project(model_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a project whose model was trained, merged and evaluated once."""
    shutil.copytree(model_run.folder, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    return Path("model.fuse")


@pytest.fixture
def why(fusec: Callable[..., tuple[int, str, str]], project: Path) -> Why:
    """What is said about a node, after replacements in the spec."""

    def ask(node: str, *options: str, **edits: str) -> str:
        text = project.read_text()
        for old, new in edits.items():
            assert EDITS[old] in text
            text = text.replace(EDITS[old], new)
        project.write_text(text)
        code, out, err = fusec("why", project, node, *options)
        assert code == 0, err
        return out

    return ask


EDITS: Mapping[str, str] = {
    "lr": "lr: 1e-2",
    "method": "method: average",
    "experts": "experts: expert",
    "name": "merged",
}


def test_what_is_stored_need_not_run(why: Why, model_run: Any) -> None:
    assert why("merged") == f"`merged` is in the store since run {model_run.answer['run']}: nothing runs\n"


def test_a_slot_that_changed(why: Why) -> None:
    first, *_ = why("expert[long]", lr="lr: 2e-2").splitlines()
    assert first == "`expert[long]` runs again because its `lr` was 0.01, is 0.02 (model.fuse:22)"


def test_the_chain_leads_to_the_root(why: Why, model_run: Any) -> None:
    said = why("after", lr='lr: if k == "long" then 1e-2 else 3e-2')
    assert said.splitlines() == [
        "`after` runs again because `expert[short]` changed: its `lr` was 0.01, is 0.03 (model.fuse:22)",
        "    expert[short] -> merged -> after",
        f"  against run {model_run.answer['run']}",
    ]


def test_the_parameter_behind_a_slot(why: Why) -> None:
    assert "`steps` was 2 steps, is 3 steps (model.fuse:20, through `param steps`)" in why(
        "expert[long]", "--set", "steps=3"
    )
    assert "`seed` was 3, is 4 (model.fuse:12, through `param seed`)" in why("base", "--set", "seed=4")


def test_a_method_and_an_input_that_changed(why: Why) -> None:
    assert "its `method` was average, is linear(normalize: true)" in why("merged", method="method: linear")
    assert "its `experts` lost expert[short]" in why("merged", experts='experts: [expert["long"]]')


def test_content_of_a_source_that_changed(why: Why, fusec: Callable[..., object], project: Path) -> None:
    Path("short.jsonl").write_text('{"text": "other words"}\n' * 12)
    fusec("lock", project, "--update")
    said = why("before")
    assert "`part[short]` changed: its content was" in said and "(model.fuse:8)" in said


def test_a_family_answers_for_each_member(why: Why) -> None:
    said = why("expert", "--set", "steps=3")
    assert [line.split("`")[1] for line in said.splitlines()[::2]] == ["expert[long]", "expert[short]"]


def test_a_new_name_for_old_work_is_no_reason(why: Why) -> None:
    assert "is in the store" in why("joined", name="joined")


def test_a_node_that_no_run_had(why: Why, fusec: Callable[..., tuple[int, str, str]], project: Path) -> None:
    project.write_text(
        project.read_text() + "report fresh = describe { data: part['long'] }\n".replace("'", '"')
    )
    assert why("fresh") == "`fresh` runs for the first time: no run in the store had it\n"
    shutil.rmtree(".fusec")
    assert "for the first time" in why("merged")


def test_a_result_that_was_lost(why: Why, model_run: Any) -> None:
    for folder in Path(".fusec/objects/report").iterdir():
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert why("after").startswith("`after` runs again because its result of run")


def test_json_has_the_chain(why: Why) -> None:
    (reason,) = json.loads(why("merged", "--json", lr='lr: if k == "long" then 1e-2 else 3e-2'))
    (cause,) = reason["causes"]
    assert reason["state"] == "changed"
    assert (cause["node"], cause["slot"], cause["was"], cause["now"]) == (
        "expert[short]",
        "lr",
        "0.01",
        "0.03",
    )
    assert (cause["at"], cause["path"]) == ("model.fuse:22", ["expert[short]", "merged"])


def test_an_unknown_node_is_told_its_neighbour(
    fusec: Callable[..., tuple[int, str, str]], project: Path
) -> None:
    code, _, err = fusec("why", project, "mergd")
    assert code == 1 and "no result of model.fuse is called `mergd`" in err and "`merged`" in err

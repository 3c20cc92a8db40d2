"""The same from Python: compile, run, load, replay."""

from pathlib import Path

import pytest

import fusec


def test_a_spec_compiles_runs_loads_and_replays(curate: Path) -> None:
    plan = fusec.compile(curate, least=12)
    assert isinstance(plan, fusec.Plan)
    manifest = plan.run(threads=1)
    path = plan.manifest_path(manifest)
    assert fusec.load(path) == fusec.load(path.parent) == manifest
    assert manifest.params["least"] == 12
    assert fusec.replay(path) == ()
    assert Path("out/train.jsonl").is_file()


def test_errors_of_a_spec_are_the_text_that_check_prints(curate: Path) -> None:
    with pytest.raises(fusec.SpecError) as raised:
        fusec.compile(curate, lest=12)
    assert "error[FUSE111]" in str(raised.value)
    assert [problem.code for problem in raised.value.problems] == ["FUSE111"]


def test_a_budget_that_does_not_suffice_is_an_error_of_the_spec(curate: Path) -> None:
    curate.write_text(curate.read_text() + "\nbudget {\n  reads: 1 KB\n}\n")
    with pytest.raises(fusec.SpecError, match="FUSE301"):
        fusec.compile(curate)


def test_a_closed_gate_is_in_the_manifest(curate: Path) -> None:
    curate.write_text(curate.read_text().replace("profile.rows >= 10", "profile.rows >= 1000"))
    assert fusec.compile(curate).run().gate == "closed"
    assert not Path("out").exists()


def test_a_store_of_its_own(curate: Path, tmp_path: Path) -> None:
    plan = fusec.compile(str(curate))
    manifest = plan.run(store=tmp_path / "store", publish=False)
    assert fusec.load(plan.manifest_path(manifest, tmp_path / "store")).outputs == ()
    assert not Path("out").exists()


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fuse'"):
        fusec.fuse  # noqa: B018
    assert "compile" in dir(fusec)

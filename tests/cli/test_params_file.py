"""`--params FILE.toml`: values from a file, mistakes shown in that file."""

from __future__ import annotations

from pathlib import Path

import pytest

import fusec
from fusec.cli.main import dispatch

SPEC = """edition 2026

param domains: List[Str]
param rows = 10 rows
param size: Size = 3 GB
param seed = 3

data raw[d in domains] from "./{d}.jsonl"
  |> sample { rows: rows }

budget { reads: size }

output raw["math"] to "./out.jsonl"
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "math.jsonl").write_text('{"text": "a"}\n' * 20)
    path = tmp_path / "spec.fuse"
    path.write_text(SPEC)
    return path


def check(spec: Path, toml: str, *more: str) -> int:
    params = spec.with_name("prod.toml")
    params.write_text(toml)
    return dispatch(["check", str(spec), "--params", str(params), *more])


def test_values_of_every_kind(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(spec, 'domains = ["math"]\nrows = 5\nsize = "16 GB"  # of the budget\n') == 0
    assert "2 steps" in capsys.readouterr().out


def test_a_value_set_by_name_wins(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(spec, 'domains = ["none"]\n', "--set", 'domains=["math"]') == 0


def test_several_files_are_read_in_their_order(spec: Path) -> None:
    common = spec.with_name("common.toml")
    common.write_text('domains = ["math"]\nrows = "none"\n')
    both = ["--params", str(common), "--params", str(spec.with_name("mine.toml"))]
    spec.with_name("mine.toml").write_text("rows = 5\n")
    assert dispatch(["check", str(spec), *both]) == 0
    assert dispatch(["check", str(spec), *both[2:], *both[:2]]) == 1


def test_a_mistake_is_shown_where_it_stands(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(spec, 'domains = [\n  "math",\n]\nrwos = 5\nsize = "16 GBs"\n') == 1
    said = capsys.readouterr().err
    assert "FUSE111" in said and "prod.toml:4:1" in said
    assert "prod.toml:5:9" in said


def test_what_is_not_toml_is_one_error(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(spec, "rows = = 5\n") == 1
    assert "prod.toml:1:8: not TOML" in capsys.readouterr().err
    assert dispatch(["check", str(spec), "--params", "nowhere.toml"]) == 1
    assert "nowhere.toml" in capsys.readouterr().err


def test_a_date_is_refused(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(spec, "rows = 2026-01-01\n") == 1
    assert "`rows` cannot be used" in capsys.readouterr().err


def test_python_lists_and_dicts_are_parameters(spec: Path) -> None:
    plan = fusec.compile(spec, domains=["math"], rows=4)
    assert dict(plan.planned.params)["domains"] == ["math"]


def test_strings_in_a_list_are_what_the_list_holds(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SPEC.replace("size: Size = 3 GB", "sizes: List[Size] = [1 GB]")
    spec.write_text(text.replace("reads: size", "reads: sizes[1]"))
    assert check(spec, 'domains = ["math"]\nsizes = ["1 GB", "2 GiB"]\n') == 0
    assert check(spec, 'domains = ["math"]\nsizes = ["1 GB",\n  "much"]\n') == 1
    assert "prod.toml:3:3" in capsys.readouterr().err


def test_words_of_the_file_are_no_names_of_the_spec(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(spec, 'domains = ["math"]\nrows = "seed"\n') == 1
    assert "FUSE207" in (said := capsys.readouterr().err) and "prod.toml:2:9" in said


@pytest.mark.parametrize("toml", ["rows = nan\n", "rows = " + "[" * 5000 + "]" * 5000, 'rows = "\udcff"'])
def test_what_no_parameter_can_be_is_one_error(
    spec: Path, toml: str, capsys: pytest.CaptureFixture[str]
) -> None:
    params = spec.with_name("prod.toml")
    params.write_bytes(toml.encode(errors="surrogateescape"))
    assert dispatch(["check", str(spec), "--params", str(params)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {params}")


def test_sources_are_locked_under_the_same_values(spec: Path) -> None:
    params = spec.with_name("prod.toml")
    params.write_text('domains = ["math"]\n')
    assert dispatch(["lock", str(spec), "--params", str(params)]) == 0
    assert "math.jsonl" in spec.with_name("spec.fuse.lock").read_text()

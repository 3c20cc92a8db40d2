"""A spec of several files, from disk: checked, planned, run, replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fusec
from fusec.cli.main import dispatch

CURATE = """edition 2026

## Training data of one domain.
param domain: Str
param rows = 40 rows
param seed = 17

data raw from "../data/{domain}.jsonl"
data train = raw |> sample { rows: rows }
"""

SPEC = """edition 2026

let domains = ["math", "code"]
use "lib/curate.fuse"(domain: d) as curated[d in domains]
use "lib/curate.fuse"(domain: "math", rows: 7) as few

data all = mix { parts: curated.train, seed: 1 }

output all to "./out/all"
output few.train to "./out/few.jsonl"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "data").mkdir()
    for domain in ("math", "code"):
        rows = (json.dumps({"text": f"{domain} {number}"}) for number in range(100))
        (tmp_path / "data" / f"{domain}.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "lib" / "curate.fuse").write_text(CURATE)
    (tmp_path / "spec.fuse").write_text(SPEC)
    return tmp_path


def test_a_family_of_modules_runs_and_replays(project: Path) -> None:
    plan = fusec.compile(project / "spec.fuse")
    manifest = plan.run()
    names = {node.name for node in manifest.nodes}
    assert {"curated[math].train", "curated[code].train", "few.train", "all"} <= names
    assert len((project / "out" / "few.jsonl").read_text().splitlines()) == 7
    assert [file.path for file in manifest.spec_files] == ["lib/curate.fuse"]
    assert fusec.replay(plan.manifest_path(manifest)) == ()


def test_only_what_a_changed_module_makes_runs_again(project: Path) -> None:
    first = fusec.compile(project / "spec.fuse").run()
    (project / "lib" / "curate.fuse").write_text(CURATE.replace("40 rows", "30 rows"))
    second = fusec.compile(project / "spec.fuse").run()
    before = {node.name: node.id for node in first.nodes}
    changed = {node.name for node in second.nodes if before[node.name] != node.id}
    assert changed == {"curated[math].train", "curated[code].train", "all"}


def test_a_module_that_is_no_text_is_one_error(project: Path) -> None:
    (project / "lib" / "curate.fuse").write_bytes(b"edition 2026\n\xff")
    with pytest.raises(fusec.SpecError, match="FUSE106") as error:
        fusec.compile(project / "spec.fuse")
    assert "not UTF-8" in str(error.value)


def test_a_module_is_found_through_a_link(project: Path) -> None:
    (project / "again.fuse").symlink_to(project / "spec.fuse")
    (project / "spec.fuse").write_text('edition 2026\nuse "again.fuse" as me\noutput me.x to "./x"\n')
    with pytest.raises(fusec.SpecError, match="FUSE106") as error:
        fusec.compile(project / "spec.fuse")
    assert "imports itself" in str(error.value)


def test_a_spec_of_an_installed_package(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = project / "site" / "acme_specs"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    (package / "few.fuse").write_text('edition 2026\ndata rows from "./rows.jsonl"\n')
    monkeypatch.syspath_prepend(str(project / "site"))
    spec = project / "uses.fuse"
    spec.write_text('edition 2026\nuse "pkg:acme_specs/few.fuse" as few\noutput few.rows to "./rows.jsonl"\n')
    fusec.compile(spec).run()
    assert len((project / "rows.jsonl").read_text().splitlines()) == 2
    spec.write_text('edition 2026\nuse "pkg:acme_specs/../x.fuse" as few\noutput few.rows to "./r.jsonl"\n')
    with pytest.raises(fusec.SpecError, match="FUSE106"):
        fusec.compile(spec)


def test_used_files_are_not_counted_as_sources(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["run", str(project / "spec.fuse")]) == 0
    assert "pinned 3 sources by content" in capsys.readouterr().err
    (project / "lib" / "curate.fuse").write_text(CURATE + "# more\n")
    assert dispatch(["run", str(project / "spec.fuse")]) == 0
    assert "pinned the used files by content" in capsys.readouterr().err


def test_sources_of_one_size_are_told_apart_before_they_are_pinned(project: Path) -> None:
    assert (project / "data" / "math.jsonl").stat().st_size == (
        project / "data" / "code.jsonl"
    ).stat().st_size
    planned = fusec.compile(project / "spec.fuse").planned
    assert {"curated[math].raw", "curated[code].raw"} <= {task.name for task in planned.tasks}

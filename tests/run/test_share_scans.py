"""A sweep over one family: planned and run as one scan, with the results of separate merges."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fusec.cli.main import dispatch
from fusec.runtime import catalog as catalog_module
from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.catalog import Catalog
from fusec.runtime.manifest import Manifest, NodeRecord, load_manifest

HEAD = """edition 2026

model base from "./base"
model math: Model[_, _, root: base] from "./math"
model code: Model[_, _, root: base] from "./code"
"""

MERGE = """
model {name} = merge {{
  base: base
  experts: [{experts}]
  method: {method}
}}
output {name} to "./out/{name}"
"""

SWEEP = HEAD + "".join(
    MERGE.format(name=name, experts=experts, method=method)
    for name, experts, method in (
        ("low", "math, code", "task_arithmetic(scale: 0.2)"),
        ("half", "code, math", "task_arithmetic(scale: 0.5)"),
        ("mean", "math: 0.4, code: 0.6", "linear"),
        ("trimmed", "math, code", "ties(density: 0.5)"),
        ("by_rows", "math, code", "della(density: 0.5)"),
    )
)
SHARED = ("low", "half", "mean", "trimmed")


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command; gives what it prints, on stderr where it fails."""

    def call(*words: object, ends: int = 0) -> str:
        capfd.readouterr()
        code = dispatch([str(word) for word in words])
        said = capfd.readouterr()
        assert code == ends, said.err
        return said.err if ends else said.out

    return call


def nodes(manifest: Manifest) -> dict[str, NodeRecord]:
    return {node.name: node for node in manifest.nodes}


def manifest_in(store: Path) -> Manifest:
    (path,) = store.glob("runs/*/manifest.json")
    return load_manifest(path)


def amounts(manifest: Manifest, what: str) -> list[float]:
    return [nodes(manifest)[name].actual.get(what, 0) for name in SHARED]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_sweep_reads_its_experts_once_and_makes_the_same_bytes(
    family_bench, command, threads, listing
) -> None:
    spec, folder = family_bench.spec(SWEEP), family_bench.folder
    command("lock", spec)
    command("plan", spec, "--without", "share_scans", "-o", folder / "apart.plan")
    command("run", folder / "apart.plan", "--store", folder / "apart", "--threads", threads)
    apart, files = manifest_in(folder / "apart"), listing(folder / "out")
    planned = json.loads(command("plan", spec, "--json"))
    assert planned["scans"] == [list(SHARED)]
    command("run", spec, "--store", folder / "together", "--threads", threads)
    together = manifest_in(folder / "together")

    assert [nodes(together)[n].root for n in nodes(apart)] == [n.root for n in apart.nodes]
    assert [node.name for node in together.nodes] == [node.name for node in apart.nodes]
    assert {n: b for n, b in listing(folder / "out").items() if "README" not in n} == {
        n: b for n, b in files.items() if "README" not in n
    }
    read, experts = amounts(apart, "expert_bytes"), amounts(together, "expert_bytes")
    assert experts == [read[0], 0, 0, read[3] - read[0]]
    whole = {node["name"]: node["reads_bytes"] for node in planned["nodes"]}
    assert amounts(together, "bytes_read") == [whole[name] for name in SHARED]
    assert sum(whole.values()) == planned["totals"]["reads_bytes"]


def test_what_is_stored_falls_out_of_a_scan(family_bench) -> None:
    first = family_bench.run(SWEEP.replace("output", "# output").replace("# output half", "output half"))
    assert [node.name for node in first.manifest.nodes if node.verb == "merge"] == ["half"]
    then = nodes(family_bench.run(SWEEP).manifest)
    assert then["half"].state == "reused"
    assert then["low"].actual["expert_bytes"] == nodes(first.manifest)["half"].actual["expert_bytes"]
    assert "expert_bytes" not in then["mean"].actual


def test_one_that_fails_leaves_the_others_in_the_store(family_bench, command) -> None:
    spec = SWEEP.replace("scale: 0.5", "scale: 3e38").replace("[code, math]", "[code: 1e6, math: 1e6]")
    folder = family_bench.folder
    assert "overflows BF16" in command("run", family_bench.spec(spec), ends=4)
    (log,) = folder.glob(".fusec/runs/*/events.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    ends = {e["task"]: e["event"] for e in events if e["event"] in ("TaskFinished", "TaskFailed")}
    assert ends == {
        "low": "TaskFinished", "mean": "TaskFinished", "trimmed": "TaskFinished", "half": "TaskFailed",
    }  # fmt: skip
    assert family_bench.visible() == []


def test_a_merge_tells_the_catalog_what_it_read(family_bench, command, monkeypatch) -> None:
    monkeypatch.setattr(catalog_module, "_RACY_SECONDS", 0)
    folder, spec = family_bench.folder, family_bench.spec(SWEEP)
    command("run", spec)
    plain = manifest_in(folder / ".fusec")
    command("run", spec, "--store", folder / "told", "--analyze")
    told = manifest_in(folder / "told")
    for one in ("expert_bytes", "bytes_written"):
        assert amounts(told, one) == amounts(plain, one)
    assert amounts(told, "analysis_bytes") == [0] * 4
    assert [n.root for n in told.nodes] == [n.root for n in plain.nodes]

    catalog = Catalog(folder / "direct.db")
    analyse(ColumnsStore(catalog), [folder / "math", folder / "code"], folder / "base")
    query = "SELECT * FROM column_tables ORDER BY part_of, tensor"
    mine = Catalog(folder / "told" / "catalog.db")
    assert mine.query(query) == catalog.query(query)
    mine.close()
    catalog.close()


def test_a_scan_counts_once_towards_a_budget(family_bench, command) -> None:
    spec = HEAD + "".join(
        MERGE.format(name=f"s{n}", experts="math, code", method=f"task_arithmetic(scale: {n})")
        for n in (1, 2, 3)
    )
    path = family_bench.spec(spec)
    needs = [node["reads_bytes"] for node in json.loads(command("plan", path, "--json"))["nodes"]]
    models = max(needs)
    limited = family_bench.spec(f"{spec}\nbudget {{\n  reads: {models} B\n}}\n", "limited.fuse")
    assert json.loads(command("plan", limited, "--json"))["totals"]["reads_bytes"] == models
    assert "FUSE301" in command("plan", limited, "--without", "share_scans", ends=1)
    experts = models * 2 // 3
    shared = family_bench.spec(f"{spec}\nbudget {{\n  expert_reads: {experts} B\n}}\n", "shared.fuse")
    assert json.loads(command("plan", shared, "--json"))["scans"] == [["s1", "s2", "s3"]]


def test_only_merges_of_the_same_models_that_read_everything_share_a_scan(family_bench, command) -> None:
    spec = family_bench.spec(
        SWEEP.replace("ties(density: 0.5)", 'ties(density: 0.5)\n  keep: ["*norm*"]')
        .replace("experts: [math: 0.4, code: 0.6]", "experts: [math: 0.4]")
        .replace("scale: 0.5)", "scale: 0.5)\n  max_error: 1%\n  analysis: sampled")
    )
    assert json.loads(command("plan", spec, "--json"))["scans"] == []


def test_the_plan_says_who_reads_together(family_bench, command) -> None:
    said = command("plan", family_bench.spec(SWEEP))
    assert "low and 3 more read their experts together, at its cost" in said
    assert "share_scans -3" in said

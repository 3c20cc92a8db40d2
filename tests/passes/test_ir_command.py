"""`fusec ir` and the options that choose passes: text in, text out, and clear words for what can not be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fusec.cli.main import dispatch
from fusec.compiler.passes import PASSES

SPEC = """edition 2026

data rows from "./rows.jsonl"
data some = rows |> sample { rows: 3, seed: 1 }
data same = rows |> sample { rows: 3, seed: 1 }
data idle = rows |> shuffle { seed: 2 }
output same to "./out/same.jsonl"
"""
Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in a folder with `spec.fuse`; gives what it prints, on stderr where it fails."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(f"{json.dumps({'text': str(n)})}\n" for n in range(9)))
    Path("spec.fuse").write_text(SPEC)

    def call(*words: str, ends: int = 0) -> str:
        capfd.readouterr()
        code = dispatch(words)
        said = capfd.readouterr()
        assert code == ends, said.err
        return said.err if ends else said.out

    return call


def test_one_pass_alone_gives_what_the_plan_has_behind_it(command: Command) -> None:
    behind = {step.name: command("plan", "spec.fuse", "--ir", "--after", step.name) for step in PASSES}
    Path("graph.ir").write_text(behind["cse"])
    assert "%idle = shuffle" in behind["cse"]
    assert "%same" not in behind["cse"]
    assert command("ir", "--pass", "prune_goals", "graph.ir") == behind["prune_goals"]
    assert "found missing(%rows" in behind["reuse"]


def test_check_says_what_is_no_graph(command: Command) -> None:
    text = command("plan", "spec.fuse", "--ir")
    Path("good.ir").write_text(text)
    assert command("ir", "check", "good.ir") == "good.ir: 2 nodes, 1 goals\n"
    for broken, says in (
        (text.replace("= sample r1", "= simple r1"), "%some is a `simple`, which is no verb"),
        (text.replace("rows: 3, ", ""), "%some: the `sample` lacks its slot `rows`"),
        (text.replace("seed: 1", 'seed: "x"'), "%some is no `sample`: 1 validation error"),
        (text.replace("(data: %rows)", "(data: %raws)"), "bad.ir:3: %raws is not made on a line above"),
        (text + "given stored(%raws)\n", "%raws is not in the graph"),
    ):
        Path("bad.ir").write_text(broken)
        assert says in command("ir", "check", "bad.ir", ends=1)


def test_a_run_without_reuse_makes_everything_again(command: Command) -> None:
    def states(*words: str) -> set[str]:
        found = json.loads(command("run", "spec.fuse", "--json", *words))
        return {node["state"] for node in json.loads(Path(found["manifest"]).read_text())["nodes"]}

    assert states() == {"computed"}
    assert states() == {"reused"}
    assert states("--without", "reuse") == {"computed"}


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_pass_that_can_not_be_left_out_says_why(command: Command, verb: str) -> None:
    assert "can not be left out: a step has to run somewhere" in command(
        verb, "spec.fuse", "--without", "place", ends=1
    )
    assert "`fold_merges` can not be left out: it is off" in command(
        verb, "spec.fuse", "--without", "fold_merges", ends=1
    )
    assert "there is no pass `csx`" in command(verb, "spec.fuse", "--without", "csx", ends=1)
    assert "`cse` runs anyway" in command(verb, "spec.fuse", "--with", "cse", ends=1)
    command(verb, "spec.fuse", "--with", "fold_merges")

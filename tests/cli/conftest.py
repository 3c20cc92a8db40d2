"""The command line in this process, and specs that are fast to run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from fusec.cli.main import dispatch


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Fusec = Callable[..., Said]

CURATE = """\
edition 2026

param seed = 7
param least = 10

data notes from "notes.jsonl"
  |> filter { keep: len(.text) >= least }
  |> split { test: 25% }

report profile = describe { data: notes.train }

check profile.rows >= 10 else "too little is left"

output notes.train to "./out/train.jsonl"
"""

MODEL = """\
edition 2026

param seed = 3
param steps = 2 steps

let kinds = ["long", "short"]

data part[k in kinds] from "{k}.jsonl"

tokenizer bytes = train_tokenizer { data: [k: part[k] for k in kinds], vocab: 280 }

model base = init {
  tokenizer: bytes
  arch: llama(layers: 1, hidden: 16, heads: 2, context: 16)
}

model expert[k in kinds] = finetune {
  model: base
  data: part[k]
  steps: steps
  batch: 2
  lr: 1e-2
}

model merged = merge { base: base, experts: expert, method: average }

report before = evaluate { model: base, data: [k: part[k] for k in kinds] }
report after = evaluate { model: merged, data: [k: part[k] for k in kinds] }

check after.average.loss < before.average.loss

budget {
  reads: 1 GB
}

output merged to "./out/merged"
"""


def write_rows(path: Path, rows: int, words: str) -> None:
    lines = (json.dumps({"text": f"{words} number {n}"}) for n in range(rows))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def fusec(capfd: pytest.CaptureFixture[str]) -> Fusec:
    """`fusec("plan", spec)`: the exit code and what came on either stream."""

    def call(*args: object) -> Said:
        code = dispatch([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def curate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec over rows of its own, in a folder that is the current one: data only, runs in a moment."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "notes.jsonl", 40, "a line")
    (tmp_path / "curate.fuse").write_text(CURATE)
    return Path("curate.fuse")


class ModelRun(NamedTuple):
    """A project whose model was trained, merged and evaluated, and the answer of `run --json`."""

    folder: Path
    answer: dict[str, object]


@pytest.fixture(scope="session")
def model_run(tmp_path_factory: pytest.TempPathFactory) -> ModelRun:
    """The whole way once, on a model of one layer."""
    from contextlib import redirect_stdout
    from io import StringIO

    folder = tmp_path_factory.mktemp("model")
    write_rows(folder / "long.jsonl", 12, "a fairly long line of words")
    write_rows(folder / "short.jsonl", 12, "words")
    (folder / "model.fuse").write_text(MODEL)
    answer, here = StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with redirect_stdout(answer):
            assert dispatch(["run", "model.fuse", "--json", "--threads", "1"]) == 0
    finally:
        os.chdir(here)
    return ModelRun(folder, json.loads(answer.getvalue()))

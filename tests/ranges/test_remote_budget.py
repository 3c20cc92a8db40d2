"""A read budget over models on a server: what is served of the experts stays under it, to the byte."""

import json
import re
import shlex

import numpy as np
import pytest

from fusec.cli.main import dispatch
from fusec.runtime.sources.safetensors_header import read_model_headers

SPEC = """edition 2026

model base from "{url}/base"
model math: Model[_, _, root: base] from "{url}/math"
model code: Model[_, _, root: base] from "{url}/code"

model merged = merge {{
  base: base
  experts: [math: 0.4, code: 0.6]
  method: task_arithmetic
  expert_reads: 40%
}}

output merged to "./out"
"""


@pytest.fixture
def large_family(server, write_model):
    """Models of several blocks, where experts change a third of the rows."""
    rng = np.random.default_rng(0)
    base = {f"l{i}.weight": rng.standard_normal((512, 1024), np.float32) for i in range(2)}
    write_model(server.root / "base", base)
    for name in ("math", "code"):
        changed = {
            n: w + 0.01 * rng.standard_normal(w.shape, np.float32) * (rng.random((512, 1)) < 0.3)
            for n, w in base.items()
        }
        write_model(server.root / name, {n: w.astype(np.float32) for n, w in changed.items()})
    return server.root


def test_a_budget_binds_what_the_server_serves(large_family, server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.fuse").write_text(SPEC.format(url=server.url))
    assert dispatch(["run", "spec.fuse"]) != 0
    said = re.search(r"fusec (catalog analyze .*)", capsys.readouterr().err)
    assert said is not None
    assert f"{server.url}/math" in said[1], "the hint names addresses, which can be typed"
    assert dispatch(shlex.split(said[1])) == 0
    capsys.readouterr()

    server.served.clear()
    assert dispatch(["run", "spec.fuse", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)["io"]["expert_bytes"]
    served = sum(server.served[f"/{name}/model.safetensors"] for name in ("math", "code"))
    everything = sum(read_model_headers(large_family / name).bytes for name in ("math", "code"))
    assert 0 < counted <= 0.4 * everything
    assert served == counted, "headers are here since the first try"

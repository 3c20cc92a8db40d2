"""Peak memory does not grow with the number of experts, nor with the size of a tensor."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

MODEL_MB = 64

CHILD = """
import json, resource, sys
from pathlib import Path
from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels.merge import run
folder, out = map(Path, sys.argv[1:3])
experts, method, more = int(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5])
out.mkdir()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
pairs = tuple((Artifact("model", folder / "x", f"x{i}"), None) for i in range(experts))
slots = {
    "method": Method(method, {"scale": 1.0, "normalize": False, **more}),
    "rules": (), "rules": (), "keep": (), "dtype": None, "shard_size": None,
}
run({"base": Artifact("model", folder / "base", "base"), "experts": pairs}, slots,
    Context(out=out, emit=lambda *a, **k: None, meter=Meter(), threads=2))
print(peak() - before)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A base and an expert with one large tensor."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("base", "x"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
        values = (
            torch.arange(MODEL_MB << 19, dtype=torch.int32)
            .to(torch.int16)
            .remainder(16000 if name == "x" else 15999)
        )
        save_file({"w": values.view(torch.bfloat16)}, folder / name / "model.safetensors")
    return folder


@pytest.mark.parametrize(("method", "more"), [("task_arithmetic", {}), ("ties", {"density": 1.0})])
def test_memory_does_not_grow_with_experts(models, tmp_path, method, more):
    def growth(experts):
        arguments = [str(models), str(tmp_path / f"out{experts}"), str(experts), method, json.dumps(more)]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    few, many = growth(2), growth(8)
    assert abs(many - few) < 16
    assert max(few, many) < MODEL_MB / 2


def test_memory_of_trimming_does_not_grow_with_the_tensor(models, tmp_path):
    arguments = [str(models), str(tmp_path / "out"), "1", "ties", json.dumps({"density": 0.2})]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < MODEL_MB / 2

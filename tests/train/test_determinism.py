"""Same inputs, same seed, same bytes: across processes, hash seeds and tokenizer threads."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from fusec.runtime.determinism import deterministic

SCRIPT = """
import hashlib, sys
from pathlib import Path
from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels import finetune, init, train_tokenizer

data, out = Artifact("data", Path(sys.argv[1]), "d"), Path(sys.argv[2])

def run(kernel, kind, name, inputs, **slots):
    (out / name).mkdir()
    kernel.run(inputs, slots, Context(out / name, lambda kind, **fields: None, Meter(), seed=3, threads=1))
    for path in sorted((out / name).iterdir()):
        print(name, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    return Artifact(kind, out / name, name)

arch = Method("llama", {"layers": 2, "hidden": 32, "heads": 4, "context": 64})
tok = run(train_tokenizer, "tokenizer", "tok", {"data": (("", data),)}, vocab=300, column="text")
model = run(init, "model", "init", {"tokenizer": tok}, arch=arch, dtype="bf16")
run(finetune, "model", "tuned", {"model": model, "data": data}, steps=8, epochs=None, lr=1e-3, batch=4,
    accumulate=2, context=32, schedule="cosine", warmup=0.1, weight_decay=0.01)
"""


def test_two_processes_write_the_same_bytes(text, tmp_path):
    children = []
    for n, tokenizer_threads in enumerate(["1", "4"]):
        (tmp_path / str(n)).mkdir()
        settings = {
            "PYTHONHASHSEED": str(n),
            "RAYON_NUM_THREADS": tokenizer_threads,
            "TOKENIZERS_PARALLELISM": "true",
        }
        command = [sys.executable, "-c", SCRIPT, str(text.path), str(tmp_path / str(n))]
        children.append(
            subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True)
        )
    one, other = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert "tuned model.safetensors" in one
    assert one == other


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_scope_draws_the_same_and_leaves_no_trace():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    untouched = [draw(), draw()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    threads = torch.get_num_threads()
    before = draw()
    with pytest.raises(KeyError), deterministic(2**40 + 5, threads=1):
        first = draw()
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyError
    with deterministic(2**40 + 5, threads=1):
        assert draw() == first
    assert [before, draw()] == untouched
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()

"""Merging what lies on a server: the bytes of a local merge, and of the server not one too many."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fusec.compiler.facts import SourceRequest
from fusec.runtime.kernel import Artifact, Context, Meter, Method, RunError
from fusec.runtime.kernels import merge, task_vector
from fusec.runtime.ranges import ahead
from fusec.runtime.sources import inspect, open_model, pin
from fusec.runtime.sources.safetensors_header import read_model_headers

METHODS = [
    Method("average"),
    Method("linear", {"normalize": True}),
    Method("task_arithmetic", {"scale": 0.7, "normalize": False}),
    Method("ties", {"density": 0.3, "scale": 0.9, "normalize": True}),
]
MODELS = ("base", "math", "code")


@pytest.fixture(autouse=True)
def small_spans(monkeypatch):
    """Tensors of some kilobytes take several requests."""
    monkeypatch.setattr(ahead, "SPAN", 4096)
    monkeypatch.setattr(ahead, "SMALLEST_SPAN", 4096)


@pytest.fixture
def opened(family, server, tmp_path):
    """`opened(name, local=...)` gives a model of the family as an artifact, its weights where they are."""

    def look(name, *, local=False, kind="model"):
        if local:
            return Artifact(kind, family / name, name)
        request = SourceRequest(kind, f"{server.url}/{name}")
        facts = pin(request, inspect(request, base=tmp_path), base=tmp_path)
        return Artifact(kind, open_model(request, facts, base=tmp_path, whole=False), name)

    return look


@pytest.fixture
def run(tmp_path):
    """Merges; gives the files of the result and the meter."""
    calls = iter(range(100))

    def call(base, experts, method, threads=2, keep=()):
        out, meter = tmp_path / f"merged{next(calls)}", Meter()
        out.mkdir()
        ctx = Context(out=out, emit=lambda kind, **fields: None, meter=meter, threads=threads)
        slots = {"method": method, "rules": (), "keep": keep, "dtype": None, "shard_size": None}
        merge.run({"base": base, "experts": tuple((e, None) for e in experts)}, slots, ctx)
        return {p.name: p.read_bytes() for p in sorted(out.iterdir())}, meter

    return call


def served(server, *names: str) -> int:
    """Bytes of weights that were served of these models."""
    weights = {
        f"/{name}/{path.name}" for name in names for path in (server.root / name).glob("*.safetensors")
    }
    return sum(server.served[path] for path in weights)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_remote_merge_is_the_local_one_to_the_byte_and_counts_every_byte(
    opened, run, server, method, threads
):
    base, *experts = (opened(name, local=True) for name in MODELS)
    local, _ = run(base, experts, method, threads)
    base, *experts = (opened(name) for name in MODELS)
    server.served.clear()
    server.requests.clear()
    remote, meter = run(base, experts, method, threads)
    assert remote == local
    assert served(server, "math", "code") == meter.expert_bytes
    assert served(server, *MODELS) == meter.bytes_read
    spans = [last - first for path, first, last in server.requests if not path.startswith("/base")]
    assert all(span < 4096 for span in spans)


def test_one_remote_expert_among_local_models(opened, run, server):
    base, math, code = (opened(name, local=True) for name in MODELS)
    local, before = run(base, [math, code], METHODS[1])
    remote, after = run(base, [opened("math"), code], METHODS[1])
    assert (remote, after) == (local, before)


def test_requests_are_large_and_few_at_a_time(opened, run, server, monkeypatch):
    monkeypatch.setattr(ahead, "SPAN", 4 << 20)
    base, *experts = (opened(name) for name in MODELS)
    server.requests.clear()
    run(base, experts, METHODS[2], threads=3)
    tensors = len(read_model_headers(base.path).tensors)
    assert len(server.requests) == 3 * tensors
    assert server.most_at_once <= 8


def test_kept_tensors_are_copied_from_a_remote_base_and_read_from_nobody_else(opened, run, server):
    base, *experts = (opened(name, local=True) for name in MODELS)
    local, _ = run(base, experts, METHODS[1], keep=["layer*"])
    base, *experts = (opened(name) for name in MODELS)
    server.served.clear()
    remote, meter = run(base, experts, METHODS[1], keep=["layer*"])
    assert remote == local
    assert served(server, "math", "code") == meter.expert_bytes == 2 * 2 * 3 * 8 * 4
    assert served(server, *MODELS) == meter.bytes_read


def test_a_remote_adapter_is_read_by_its_factors(opened, run, server, family):
    rng = np.random.default_rng(5)
    folder = family / "lora"
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "modules_to_save": None}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    module = "base_model.model.lm_head"
    factors = {
        f"{module}.lora_A.weight": rng.standard_normal((2, 8), np.float32),
        f"{module}.lora_B.weight": rng.standard_normal((3, 2), np.float32),
    }
    save_file(factors, folder / "adapter_model.safetensors")
    base = opened("base", local=True)
    local, before = run(base, [opened("lora", local=True, kind="delta")], METHODS[2])
    lora = opened("lora", kind="delta")
    server.served.clear()
    remote, after = run(base, [lora], METHODS[2])
    assert remote == local
    assert served(server, "lora") == after.expert_bytes == before.expert_bytes == (2 * 8 + 3 * 2) * 4


def test_a_task_vector_is_made_of_ranges_too(opened, server, tmp_path):
    def made(local):
        out, meter = tmp_path / f"delta-{local}", Meter()
        out.mkdir()
        ctx = Context(out=out, emit=lambda kind, **fields: None, meter=meter, threads=2)
        pair = {"model": opened("math", local=local), "base": opened("base", local=local)}
        server.served.clear()
        task_vector.run(pair, {"dtype": "fp32"}, ctx)
        return (out / "model.safetensors").read_bytes(), meter

    assert made(local=True) == made(local=False)
    assert served(server, "math", "base") == 2 * (2 * 3 * 8 + 3000) * 4


@pytest.mark.parametrize("fault", ["500", "truncate"])
def test_faults_that_pass_change_no_byte(opened, run, server, fault):
    base, *experts = (opened(name, local=True) for name in MODELS)
    local, _ = run(base, experts, METHODS[2])
    base, *experts = (opened(name) for name in MODELS)
    server.served.clear()
    server.faults["*"] = [fault] * 3
    remote, meter = run(base, experts, METHODS[2])
    assert remote == local
    assert served(server, *MODELS) == meter.bytes_read


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("500", "answered 500, and so 5 times"),
        ("ignore", "with the whole file"),
        ("shift", "and sends bytes"),
        ("etag", "FUSE402: .* changed since it was locked"),
    ],
)
def test_a_server_that_is_no_good_ends_the_merge_by_name(opened, run, server, family, fault, what):
    base, *experts = (opened(name) for name in MODELS)
    server.faults["/code/model.safetensors"] = [fault] * 50
    with pytest.raises(RunError, match=what) as error:
        run(base, experts, METHODS[1])
    assert f"{server.url}/code/model.safetensors: tensor `" in error.value.what


def test_an_expert_that_changes_during_the_merge_ends_it(opened, run, server, family):
    base, *experts = (opened(name) for name in MODELS)
    path: Path = family / "code/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match=r"FUSE402: .*/code/model.safetensors.* changed since it was locked"):
        run(base, experts, METHODS[0])


def test_damage_is_told_by_address(opened, run, server, family):
    path = family / "code/model.safetensors"
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    base, *experts = (opened(name) for name in MODELS)
    with pytest.raises(RunError, match=rf"{server.url}/code/model.safetensors: tensor .* is not finite"):
        run(base, experts, METHODS[1])

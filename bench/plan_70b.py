"""The price of a five-step pipeline on models of 70 billion parameters, planned without any weights.

    python bench/plan_70b.py

Four models are synthesised as headers: safetensors files of the right size with nothing in them, so they take
no room on a disk with sparse files. The spec filters data, trains an expert, merges it with two others,
and scores base and result, on machines with 8 x H100. Prints the plan, and what is said for one such machine,
on which training does not fit.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import msgspec

from fusec.cli.plan_text import plan_text
from fusec.compiler.arch import arch_tensors
from fusec.compiler.check import check
from fusec.compiler.facts import DataFacts, SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.fitting import unfit
from fusec.compiler.lower import lower
from fusec.compiler.plan import Plan, make_plan
from fusec.compiler.typed import Typed
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import parse
from fusec.lang.render import render
from fusec.lang.source import Source
from fusec.runtime.sources.inspect import inspect

MODELS = ("base", "math", "code")
SIZES = {"layers": 80, "hidden": 8192, "heads": 64, "kv_heads": 8, "intermediate": 28672}
VOCABULARY, SHARD = 128_256, 4_900_000_000
STEPS, BATCH, CONTEXT = 1_000, 64, 4_096

SPEC = f"""edition 2026

## One generalist of 70 billion parameters: a new expert beside two that exist, merged and scored.
param seed = 17

model base from "s3://acme/base"
model math: Model[_, _, root: base] from "s3://acme/math"
model code: Model[_, _, root: base] from "s3://acme/code"

data lessons from "s3://acme/lessons" |> filter {{ keep: .quality > 0.5, resources: cpus(16) }}
data exam from "s3://acme/exam"

model law = finetune {{
  model: base
  data: lessons
  steps: {STEPS}
  batch: {BATCH}
  context: {CONTEXT}
  resources: gpus(16, spread: true)
}}

model merged = merge {{
  base: base
  experts: [math, code, law]
  method: ties(density: 0.3)
  resources: cpus(64)
}}

report before = evaluate {{ model: base, data: exam, resources: gpus(8) }}
report after = evaluate {{ model: merged, data: exam, resources: gpus(8) }}

check after.loss <= before.loss

budget {{
  gpu: 200 gpu-hours
  cost: 600 USD
  wall: 24 h
  expert_reads: 900 GB
}}

target two = ray(
  address: "ray://head:10001",
  nodes: [
    node(count: 2, gpus: h100(8), cpus: 192, memory: 2 TB, price: 24 USD/h),
    node(cpus: 64, memory: 512 GB, price: 3 USD/h),
  ],
  store: "s3://acme/store",
  read_rate: 6 GB/s,
)

target one = ray(
  address: "ray://head:10001",
  nodes: [
    node(gpus: h100(8), cpus: 192, memory: 2 TB, price: 24 USD/h),
    node(cpus: 64, memory: 512 GB, price: 3 USD/h),
  ],
  store: "s3://acme/store",
  read_rate: 6 GB/s,
)

output merged to "./out/merged"
"""


def write_headers(folder: Path) -> None:
    """A model folder whose shards have their headers and their sizes, and no payload."""
    folder.mkdir(parents=True)
    config = {"architectures": ["LlamaForCausalLM"], "vocab_size": VOCABULARY, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    if folder.name != "base":
        (folder / "README.md").write_text("---\nbase_model: s3://acme/base\n---\n")
    shards: list[dict[str, object]] = [{}]
    end, places = 0, {}
    for name, shape in arch_tensors("llama", SIZES, VOCABULARY):
        size = 2
        for length in shape:
            size *= length
        if end + size > SHARD:
            shards.append({})
            end = 0
        shards[-1][name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
        places[name] = len(shards) - 1
    names = [f"model-{n + 1:05}-of-{len(shards):05}.safetensors" for n in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        header = json.dumps(shard).encode()
        payload = max(tensor["data_offsets"][1] for tensor in shard.values())  # type: ignore[index]
        with open(folder / name, "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            os.truncate(file.fileno(), 8 + len(header) + payload)
    index = {"metadata": {}, "weight_map": {tensor: names[at] for tensor, at in places.items()}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


class Planned(msgspec.Struct, frozen=True):
    """A plan for one target, and what keeps it from running there."""

    typed: Typed
    plan: Plan
    problems: tuple[Diagnostic, ...]


def planned(root: Path, target: str) -> Planned:
    """Plan the spec for a target; the models lie in `root` as headers."""

    def facts(request: SourceRequest) -> SourceFacts | SourceProblem:
        name = request.uri.rsplit("/", 1)[1]
        if request.kind == "data":
            columns = (("prompt", "Str"), ("response", "Str"), ("quality", "Float"))
            rows = {"lessons": 400_000, "exam": 2_000}[name]
            return DataFacts(request.uri, f"{rows:064x}", True, (), "jsonl", columns, rows, rows * 4_000)
        found = inspect(msgspec.structs.replace(request, uri=str(root / name)), base=root)
        if isinstance(found, SourceProblem):
            return found
        return msgspec.structs.replace(found, uri=request.uri)

    typed = check(parse(Source("plan_70b.fuse", SPEC)), facts)
    if typed.problems:
        raise SystemExit("\n".join(map(render, typed.problems)))
    where = typed.targets[target]
    plan = make_plan(typed, lower(typed), spec="plan_70b.fuse", spec_digest="0" * 64, target=where)
    return Planned(typed, plan, unfit(typed, plan, where))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        began = time.perf_counter()
        for name in MODELS:
            write_headers(root / name)
        written = time.perf_counter()
        two = planned(root, "two")
        done = time.perf_counter()
        size = sum(path.stat().st_size for path in root.rglob("*.safetensors"))
        disk = sum(path.stat().st_blocks * 512 for path in root.rglob("*.safetensors"))
        one = planned(root, "one")
    print(plan_text(two.plan, width=100, verbose=True))
    print("\n".join(map(render, two.problems)))
    print(f"headers    {size / 1e9:.0f} GB in {disk / 1e6:.1f} MB of disk, {written - began:.2f} s")
    print(f"the plan   {done - written:.2f} s\n")
    print("on one such machine:\n")
    print("\n".join(map(render, one.problems)))


if __name__ == "__main__":
    main()

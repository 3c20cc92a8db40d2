"""Two merges under one budget of expert reads: what dividing it by marginal value saves over halves.

    python bench/shared_budget.py [--share 0.3]

The experts of one merge changed few blocks, and those a lot; the experts of the other changed all blocks a
little. Both merges are run with the budget divided by fusec, with half of it each, and without a budget. The
error of a merge is measured on its files: the norm of what differs from the full merge, as a share of what
that one changes. Of both it is the root of the mean square, which is what the division makes small.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.executors.local import run_plan
from fusec.runtime.kernel import RunError
from fusec.runtime.manifest import Manifest
from fusec.runtime.preparing import prepare
from fusec.runtime.session import Session
from fusec.runtime.store import Store

BLOCK, BLOCKS, TENSORS = 4096, 32, 4
MERGES = {"sharp": ("math", "code"), "flat": ("law", "verse")}
WORK = {name: BLOCKS * BLOCK * 4 * TENSORS * len(experts) for name, experts in MERGES.items()}

HEAD = """edition 2026

model base from "./base"
"""
EXPERT = 'model {name}: Model[_, _, root: base] from "./{name}"\n'
MERGE = """
model {name} = merge {{
  base: base
  experts: [{experts}]
  method: task_arithmetic
  block: {block}
  {reads}
}}

output {name} to "./out/{way}/{name}"
"""


def write_family(root: Path, seed: int = 0) -> None:
    """A base and four experts of random weights in fp32, changed as the two merges suppose."""
    rng = np.random.default_rng(seed)
    names = [f"model.layers.{n}.up.weight" for n in range(TENSORS)]
    base = {name: rng.standard_normal(BLOCKS * BLOCK).astype(np.float32) for name in names}
    _write(root / "base", base)
    for merge, experts in MERGES.items():
        for expert in experts:
            changed = {}
            for name in names:
                sizes = rng.lognormal(-5, 2.0 if merge == "sharp" else 0.2, BLOCKS)
                change = np.repeat(sizes, BLOCK) * rng.standard_normal(BLOCKS * BLOCK)
                changed[name] = (base[name] + change).astype(np.float32)
            _write(root / expert, changed)


def _write(folder: Path, tensors: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    config = {"architectures": ["TinyForCausalLM"], "vocab_size": 8, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(dict(tensors), folder / "model.safetensors", {"format": "pt"})


def spec(way: str, budget: int) -> str:
    """Both merges: "full", with "halves" of a budget in bytes, or with one that is "shared"."""
    text = HEAD + "".join(EXPERT.format(name=name) for names in MERGES.values() for name in names)
    reads = f"expert_reads: {budget // 2} B" if way == "halves" else ""
    for name, experts in MERGES.items():
        text += MERGE.format(name=name, experts=", ".join(experts), block=BLOCK, reads=reads, way=way)
    return text + f"\nbudget {{ expert_reads: {budget} B }}\n" * (way == "shared")


def run(root: Path, way: str, budget: int) -> Manifest:
    """Carry out the spec of a way, in a store of its own, so that no way uses the results of another."""
    path = root / f"{way}.fuse"
    path.write_text(spec(way, budget))
    store = Store(root / "stores" / way)
    try:
        experts = [root / name for names in MERGES.values() for name in names]
        analyse(ColumnsStore(store.catalog), experts, root / "base", gram=True, block=BLOCK, threads=1)
        session = Session(path, store_root=root / "stores" / way)
        ready = prepare(session, session.check(), store)
        if ready.checked.failed:
            raise RunError(f"{path}: {ready.checked.problems}")
        return run_plan(ready.plan, store, root).manifest
    finally:
        store.close()


def errors(root: Path, way: str) -> dict[str, float]:
    """How far each merge of a way is from the full one, as a share of what that changes; and "both"."""
    base = load_file(root / "base/model.safetensors")
    found = {}
    for name in MERGES:
        full, other = (_weights(root / "out" / which / name) for which in ("full", way))
        off = sum(float(np.sum((full[tensor].astype(np.float64) - other[tensor]) ** 2)) for tensor in full)
        all_of_it = sum(float(np.sum((full[t].astype(np.float64) - base[t]) ** 2)) for t in full)
        found[name] = (off / all_of_it) ** 0.5
    return found | {"both": (sum(error**2 for error in found.values()) / len(found)) ** 0.5}


def _weights(folder: Path) -> dict[str, Any]:
    return {k: v for path in sorted(folder.glob("*.safetensors")) for k, v in load_file(path).items()}


def expert_bytes(manifest: Manifest) -> dict[str, int]:
    """Bytes that each merge read of its experts."""
    return {
        node.name: int(node.actual.get("expert_bytes", 0)) for node in manifest.nodes if node.verb == "merge"
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--share", type=float, default=0.3)
    budget = int(sum(WORK.values()) * arguments.parse_args().share)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_family(root)
        print(f"{sum(WORK.values()) / 1e6:.1f} MB of experts, {budget / 1e6:.1f} MB may be read")
        for way in ("full", "halves", "shared"):
            read = expert_bytes(run(root, way, budget))
            off = errors(root, way)
            each = ", ".join(
                f"{name} {size / 1e6:4.2f} MB off {off[name]:.3f}" for name, size in read.items()
            )
            print(f"{way:<6}  {each}, both off {off['both']:.3f}")


if __name__ == "__main__":
    main()

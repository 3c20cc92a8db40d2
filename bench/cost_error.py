"""How far plans are from what runs take, on this machine, as the store learns.

    python bench/cost_error.py [--rounds 3] [--steps 20]

Every spec of `specs/` is run `rounds` times, each time in a process of its own and with a store that holds no
results but remembers what earlier steps took, of all specs alike. Each plan is made before its run. Specs of
merges get a family of small models, written here. Printed per round: the median and the largest error of
predicted seconds over all steps, and their sums; an error of 30 % is a factor of 1.3 either way. Merges that
share a scan count as one step, for they are done as one. Behind the last round stand its errors by verb.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from safetensors.numpy import save_file

from fusec.cli.health_text import costs_text
from fusec.runtime.catalog import EstimateRow, read_estimates
from fusec.runtime.cost_errors import errors_by_verb
from fusec.runtime.store import Store

ROOT = Path(__file__).resolve().parents[1]
ALL = 1_000_000


class Gallery(NamedTuple):
    """A copied spec, the settings that keep its run short, and the experts that must be measured first."""

    spec: Path
    settings: tuple[str, ...]
    analyze: tuple[str, ...] = ()


def gallery(folder: Path, steps: int) -> Iterator[Gallery]:
    """Copies of all specs, each with the models that it names beside it."""
    for spec in sorted((ROOT / "specs").rglob("*.fuse")):
        place = folder / spec.relative_to(ROOT / "specs").with_suffix("")
        place.mkdir(parents=True)
        shutil.copy(spec, place)
        copied = place / spec.name
        text = spec.read_text(encoding="utf-8")
        if 'from "./base"' in text:
            experts = [name for name in ("math", "code", "law") if f'from "./{name}"' in text]
            for at, name in enumerate(["base", *experts]):
                write_model(place / name, seed=at)
            # A budget in bytes that binds, as the one of the spec does for models of its size.
            small = ("--set", "limit=60 MB") if "param limit" in text else ()
            yield Gallery(copied, small, tuple(experts))
        else:
            yield Gallery(copied, ("--set", f"steps={steps}"))


def write_model(folder: Path, seed: int) -> None:
    """A Llama of 8 layers and about 50 MB: a base from seed 0, else the base and a change of some blocks."""
    folder.mkdir()
    hidden, inner, layers, vocab = 512, 1024, 8, 2048
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "vocab_size": vocab,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,)}
    for at in range(layers):
        head = f"model.layers.{at}"
        shapes |= {f"{head}.self_attn.{name}_proj.weight": (hidden, hidden) for name in "qkvo"}
        shapes |= {f"{head}.mlp.{name}_proj.weight": (inner, hidden) for name in ("gate", "up")}
        shapes[f"{head}.mlp.down_proj.weight"] = (hidden, inner)
        shapes |= {f"{head}.{name}_layernorm.weight": (hidden,) for name in ("input", "post_attention")}
    base, change = np.random.default_rng(0), np.random.default_rng(seed)
    tensors = {}
    for name, shape in shapes.items():
        tensors[name] = base.standard_normal(shape, np.float32) * np.float32(0.02)
        if seed:
            tensors[name] += change.standard_normal(shape, np.float32) * np.float32(
                1e-4 * (1 + len(name) % 7)
            )
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def fusec(*args: str | Path, cwd: Path) -> None:
    """One command in a process of its own; ends the bench when it fails, a closed gate apart."""
    command = [sys.executable, "-c", "from fusec.cli.main import main; main()", *map(str, args)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"fusec {' '.join(map(str, args))} failed:\n{done.stderr[-2000:]}")


def run_once(one: Gallery, history: list[EstimateRow]) -> list[EstimateRow]:
    """Run a spec in a store without results that remembers `history`; gives what the run adds to it."""
    folder = one.spec.parent
    store = folder / ".fusec"
    shutil.rmtree(store, ignore_errors=True)
    fresh = Store(store)
    for row in history:
        fresh.catalog.add_estimate(row.verb, row.key, row.estimate, row.actual)
    fresh.close()
    if one.analyze:
        fusec("catalog", "analyze", *one.analyze, "--base", "base", "--gram", "--store", store, cwd=folder)
    fusec("run", one.spec, "--store", store, *one.settings, cwd=folder)
    known = Counter(row.verb for row in history)
    added = []
    for row in read_estimates(store / "catalog.db", ALL):  # of each verb the oldest first
        if known[row.verb]:
            known[row.verb] -= 1
        else:
            added.append(row)
    return added


def report(number: int, added: list[EstimateRow]) -> None:
    logs = [math.log(row.actual["seconds"] / row.estimate["range"][1]) for row in added]
    taken = sum(row.actual["seconds"] for row in added)
    planned = sum(row.estimate["range"][1] for row in added)
    middle, worst = (math.expm1(amount(map(abs, logs))) for amount in (median, max))
    print(
        f"round {number}: {len(added)} steps, median error {middle:.0%}, worst {worst:.0%}, "
        f"{planned:.1f} s planned, {taken:.1f} s taken"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=20, help="training steps where a spec trains")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as at:
        specs = list(gallery(Path(at), chosen.steps))
        history: list[EstimateRow] = []
        for number in range(1, chosen.rounds + 1):
            before = len(history)
            for one in specs:
                history += run_once(one, history)
            report(number, history[before:])
        print(costs_text(errors_by_verb(history[before:])))


if __name__ == "__main__":
    main()

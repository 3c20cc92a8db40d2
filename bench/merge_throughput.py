"""How fast a merge is, against two yardsticks on the same files.

    python bench/merge_throughput.py [--megabytes 200] [--experts 4] [--threads 2] [--folder DIR]

floor   reads the base and every expert once and writes one model, one thread, synced: no merge can do less
naive   loads all models as whole torch tensors, merges them in float32, saves with safetensors
Prints MB/s of payload read and written once, and the ratio of times to the floor.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels.merge import run

METHODS = {
    "average": Method("average"),
    "task_arithmetic": Method("task_arithmetic", {"scale": 0.7, "normalize": False}),
    "ties density 1": Method("ties", {"density": 1.0, "scale": 1.0, "normalize": True}),
    "ties density 0.2": Method("ties", {"density": 0.2, "scale": 1.0, "normalize": True}),
}


def write_family(folder: Path, models: int, megabytes: int) -> list[Path]:
    """A base and its fine-tunes, bfloat16, shaped like a small decoder: one wide tensor and many of 8 MB."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(8192, 1024)] + [(2048, 2048)] * max(1, megabytes // 8 - 2)
    base = [torch.randn(shape, generator=generator) * 0.02 for shape in shapes]
    paths = []
    for i in range(models):
        path = folder / f"model{i}"
        path.mkdir()
        (path / "config.json").write_text("{}")
        noise = 2e-4 * min(i, 1)
        tensors = {
            f"t{j:03d}.weight": (b + noise * torch.randn(b.shape, generator=generator)).bfloat16()
            for j, b in enumerate(base)
        }
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
        paths.append(path)
    return paths


def floor(models: Sequence[Path], out: Path) -> None:
    chunk = bytearray(1 << 20)
    with (out / "model.safetensors").open("wb", buffering=0) as target:
        for i, model in enumerate(models):
            with (model / "model.safetensors").open("rb", buffering=0) as source:
                while got := source.readinto(chunk):
                    if i == 0:
                        target.write(memoryview(chunk)[:got])
        os.fsync(target.fileno())


def naive(method: Method, models: Sequence[Path], out: Path) -> None:
    base, *experts = (load_file(model / "model.safetensors") for model in models)
    merged = {name: _naive(method, base[name], [e[name] for e in experts]) for name in base}
    save_file(merged, out / "model.safetensors", metadata={"format": "pt"})
    with (out / "model.safetensors").open("rb") as file:
        os.fsync(file.fileno())


def _naive(method: Method, base: torch.Tensor, experts: Sequence[torch.Tensor]) -> torch.Tensor:
    stacked = torch.stack([e.float() for e in experts])
    if method.name == "average":
        return stacked.mean(0).to(base.dtype)
    deltas = stacked - base.float()
    if method.name == "ties":
        flat = deltas.flatten(1)
        if method["density"] < 1:
            keep = int(method["density"] * flat.shape[1])
            top = flat.abs().topk(keep, dim=1).indices
            flat = torch.zeros_like(flat).scatter(1, top, flat.gather(1, top))
        deltas = flat.view_as(deltas)
        agrees = torch.sign(deltas) == torch.where(deltas.sum(0) >= 0, 1.0, -1.0)
        update = (deltas * agrees).sum(0) / agrees.sum(0).clamp(min=1)
    else:
        update = deltas.sum(0)
    return (base.float() + method["scale"] * update).to(base.dtype)


def streamed(method: Method, models: Sequence[Path], out: Path, threads: int) -> Meter:
    base, *experts = (Artifact("model", path, path.name) for path in models)
    ctx = Context(out=out, emit=lambda kind, **fields: None, meter=Meter(), threads=threads)
    slots = {"method": method, "rules": (), "keep": (), "dtype": None, "shard_size": None}
    run({"base": base, "experts": tuple((e, None) for e in experts)}, slots, ctx)
    return ctx.meter


def seconds(work: Callable[[Path], object], folder: Path, repeats: int = 3) -> float:
    """The best of a few runs, each into a fresh folder."""
    times = []
    for _ in range(repeats):
        out = Path(tempfile.mkdtemp(dir=folder))
        started = time.perf_counter()
        work(out)
        times.append(time.perf_counter() - started)
        shutil.rmtree(out)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=200, help="size of each model")
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the models go (default: the temporary folder)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        models = write_family(folder, args.experts + 1, args.megabytes)
        megabytes = sum((m / "model.safetensors").stat().st_size for m in [*models, models[0]]) / 1e6
        least = seconds(lambda out: floor(models, out), folder)
        print(f"{megabytes:.0f} MB in {args.experts} experts, base and result; {args.threads} threads")
        print(f"{'':18}{'seconds':>10}{'MB/s':>10}{'x floor':>10}{'naive s':>10}{'naive/ours':>12}")
        print(f"{'floor':18}{least:10.2f}{megabytes / least:10.0f}{1:10.2f}")
        for label, method in METHODS.items():
            ours = seconds(lambda out, m=method: streamed(m, models, out, args.threads), folder)
            whole = seconds(lambda out, m=method: naive(m, models, out), folder, repeats=1)
            print(f"{label:18}{ours:10.2f}{megabytes / ours:10.0f}{ours / least:10.2f}", end="")
            print(f"{whole:10.2f}{whole / ours:12.1f}")


if __name__ == "__main__":
    main()

"""Whether fusec's merges are those of mergekit, tensor by tensor.

    python -m bench.merge.equal_mergekit [OPERATOR]... [--experts 3]

Both sides merge the same families in float32 arithmetic and store bfloat16 and float32. For operators
without chance the difference is counted in units in the last place (ulp) of the stored type:

    over 1     share of elements that are more than one representable value apart
    at scale   largest difference in ulps at the magnitude of the largest input: cancellation leaves small
               results of large terms, whose own ulp says nothing about the arithmetic
    equals     elements apart because some update is exactly as large as the last one kept: which of several
               equals stay is arbitrary in mergekit, the lowest index in fusec
    apart      elements further apart than that and not among those: more than one ulp at scale of bfloat16,
               or of float32 more than one for each model, as sums are taken in another order

For random operators, each of a seed of its own: the share of moved elements, and mean and L1 norm of the
update over all tensors, as ratios of fusec's to mergekit's. Exits with 1 when a row is not as it should be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from safetensors.torch import load_file

from .contenders import FUSEC, MERGEKIT, OPERATORS, Operator, fresh, fuse_spec, mergekit_yaml
from .family import Plant, Shape, write_family

OUT = {"bfloat16": "bf16", "float32": "fp32"}
SMALL = Shape(hidden=64, layers=3, vocab=320)
# Blocks far smaller than the tensors, so that each has hot, cold and equal parts.
PLANT = Plant(block_bytes=2048, hot=0.2)


@dataclass(frozen=True)
class Apart:
    """How far two models lie apart; `worst` is the tensor with the largest difference."""

    elements: int
    over: int
    at_scale: float
    equals: int
    apart: int
    worst: str


@dataclass(frozen=True)
class Case:
    """One merge of one family, by both."""

    operator: Operator
    inputs: str
    out: str
    models: Sequence[Path]
    theirs: Path
    ours: Path

    @property
    def used(self) -> Sequence[Path]:
        """The experts that the operator takes."""
        return self.models[1:][: self.operator.experts]


Tensors = dict[str, torch.Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("operators", nargs="*", choices=[[], *OPERATORS], metavar="OPERATOR")
    parser.add_argument("--experts", type=int, default=3)
    args = parser.parse_args()
    if not MERGEKIT.exists():
        print("mergekit is not installed: make bench-peers", file=sys.stderr)
        return 2
    chosen = [OPERATORS[name] for name in args.operators] or list(OPERATORS.values())
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        families = {
            dtype: write_family(folder / dtype, args.experts, SMALL, dtype=dtype, plant=PLANT)
            for dtype in ("F32", "BF16")
        }
        cases = [
            Case(operator, inputs, out, models, folder / f"{number}-theirs", folder / f"{number}-ours")
            for number, (operator, (inputs, models), out) in enumerate(product(chosen, families.items(), OUT))
            if not operator.random or out == "float32"
        ]
        _merge_theirs(cases, folder)
        print("| operator | inputs | output | over 1 ulp | at scale | equals | apart | worst |")
        print("|---|---|---|---:|---:|---:|---:|---|")
        for case in (c for c in cases if not c.operator.random):
            row, good = _row(case, _same)
            bad += not good
            print(f"| {case.operator.name} | {case.inputs} | {case.out} | {row} |", flush=True)
        print("\n| random operator | inputs | moved | mean | L1 |\n|---|---|---:|---:|---:|")
        for case in (c for c in cases if c.operator.random):
            row, good = _row(case, _alike)
            bad += not good
            print(f"| {case.operator.name} | {case.inputs} | {row} |", flush=True)
    return bad > 0


def _merge_theirs(cases: Sequence[Case], folder: Path) -> None:
    pairs = []
    for case in cases:
        config = folder / f"{case.theirs.name}.yml"
        config.write_text(mergekit_yaml(case.operator, case.models[0], case.used, out_dtype=case.out))
        pairs += [config, case.theirs]
    python = MERGEKIT.with_name("python")
    subprocess.run([python, Path(__file__).with_name("many_merges.py"), *pairs], check=True)


def _row(case: Case, compared: Callable[[Case, Tensors, Tensors], tuple[str, bool]]) -> tuple[str, bool]:
    """The cells of a case and whether it is as it should be; a merge that one side lacks is no failure."""
    failed = case.theirs / "failed.txt"
    if failed.exists():
        return f"mergekit not available: {_reason(failed.read_text())} |||| ", True
    spec = fresh(case.ours) / "spec.fuse"
    spec.write_text(fuse_spec(case.operator, case.models[0], case.used, dtype=OUT[case.out]))
    done = subprocess.run([FUSEC, "run", spec], capture_output=True, text=True)
    if done.returncode:
        return f"fusec not available: {_reason(done.stdout + done.stderr)} |||| ", True
    return compared(case, _tensors(case.theirs), _tensors(case.ours / "out"))


def _same(case: Case, theirs: Tensors, ours: Tensors) -> tuple[str, bool]:
    base, *experts = map(_tensors, (case.models[0], *case.used))
    density = case.operator.each.get("density", 1.0)
    allowed = 1 if case.out == "bfloat16" else len(case.models)
    found = compare(base, experts, theirs, ours, density=density, allowed=allowed)
    share = f"{100 * found.over / found.elements:.4f} %"
    text = f"{share} | {found.at_scale:.2f} | {found.equals} | {found.apart} | {found.worst}"
    return text, found.apart == 0


def _alike(case: Case, theirs: Tensors, ours: Tensors) -> tuple[str, bool]:
    base = _tensors(case.models[0])
    left, right = (_shape_of_update(base, tensors) for tensors in (theirs, ours))
    ratios = [b / a for a, b in zip(left, right, strict=True)]
    good = abs(ratios[0] - 1) < 0.02 and abs(ratios[2] - 1) < 0.02
    return " | ".join(f"{ratio:.4f}" for ratio in ratios), good


def _shape_of_update(base: Tensors, merged: Tensors) -> tuple[float, float, float]:
    """Share of moved elements, mean and L1 norm of the update."""
    update = torch.cat([(merged[name].double() - base[name].double()).flatten() for name in base])
    return float((update != 0).double().mean()), float(update.mean()), float(update.abs().sum())


def _reason(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("error")]
    return (said or lines or ["no message"])[0].replace("|", "/")[:100]


def _tensors(model: Path) -> Tensors:
    return {n: t for file in sorted(model.glob("*.safetensors")) for n, t in load_file(file).items()}


def compare(
    base: Tensors,
    experts: Sequence[Tensors],
    a: Tensors,
    b: Tensors,
    *,
    density: float = 1.0,
    allowed: int = 1,
) -> Apart:
    """How far the models `a` and `b` of one dtype are apart; up to `allowed` ulps do not count as that.

    ValueError where names or dtypes differ.
    """
    if {n: (t.dtype, t.shape) for n, t in a.items()} != {n: (t.dtype, t.shape) for n, t in b.items()}:
        raise ValueError("the two models do not have the same tensors")
    elements = over = equals = apart = 0
    worst, largest = "-", 0.0
    for name in sorted(a):
        left, right = a[name].flatten(), b[name].flatten()
        start = base[name].flatten().float()
        moved = [expert[name].flatten().float() for expert in experts]
        scale = torch.stack([left.float(), right.float(), start, *moved]).abs().amax(0).double()
        ulps = (left.double() - right.double()).abs() / _ulp(scale, left.dtype)
        arbitrary = torch.zeros_like(ulps, dtype=torch.bool)
        for values in moved:
            arbitrary |= _at_the_edge(values - start, density)
        far = ulps > allowed
        elements += left.numel()
        over += int((_ordered(left) - _ordered(right)).abs().gt(1).sum())
        equals += int((far & arbitrary).sum())
        apart += int((far & ~arbitrary).sum())
        rest = ulps[~arbitrary]
        if rest.numel() and float(rest.max()) > largest:
            worst, largest = name, float(rest.max())
    return Apart(elements, over, largest, equals, apart, worst)


def _ulp(magnitude: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The distance of representable values at these magnitudes."""
    info = torch.finfo(dtype)
    exponent = torch.floor(torch.log2(magnitude.clamp(min=info.tiny)))
    return info.eps * torch.exp2(exponent)


def _ordered(values: torch.Tensor) -> torch.Tensor:
    """Integers that count representable values: neighbours differ by one, and both zeros are 0."""
    width = torch.int16 if values.element_size() == 2 else torch.int32
    bits = values.view(width).to(torch.int64)
    return torch.where(bits < 0, -(bits & torch.iinfo(width).max), bits)


def _at_the_edge(delta: torch.Tensor, density: float) -> torch.Tensor:
    """Where a magnitude is exactly that of the smallest one kept, if others share it."""
    if density >= 1:
        return torch.zeros_like(delta, dtype=torch.bool)
    keep = max(1, int(density * delta.numel()))
    edge = delta.abs().kthvalue(delta.numel() - keep + 1).values
    equal = delta.abs() == edge
    return equal if int(equal.sum()) > 1 else torch.zeros_like(equal)


if __name__ == "__main__":
    sys.exit(main())

"""Whether fusec's merges are those of mergekit, tensor by tensor.

    python -m bench.merge.equal_mergekit [OPERATOR]... [--experts 3]

Both sides merge the same families in float32 arithmetic and store bfloat16 and float32. For operators
without chance the difference is counted in units in the last place (ulp) of the stored type:

    over 1     share of elements that are more than one representable value apart
    at scale   largest difference in ulps at the magnitude of the largest input: cancellation leaves small
               results of large terms, whose own ulp says nothing about the arithmetic
    equals     elements apart because some update is exactly as large as the last one kept, where which of
               several equals stay is arbitrary in mergekit and the lowest index in fusec; or because votes
               for both signs weigh the same, and rounding elects
    apart      elements further apart than allowed and not among those. One ulp is allowed in bfloat16; in
               float32, where sums in another order show, ALLOWED

For random operators: the share of moved elements and the L1 norm of the update over all tensors, as ratios
of fusec's to mergekit's, and the difference of the mean updates as a share of their mean size. Exits with 1
when a row is not as it should be.
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

from .contenders import FUSEC, MERGEKIT, OPERATORS, Operator, fresh, fuse_spec, mergekit_yaml, weights_of
from .family import Plant, Shape, write_family
from .ulps import Open, Tensors, balanced, compare, either, largest_kept, middle_kept, most_varied

OUT = {"bfloat16": "bf16", "float32": "fp32"}
ALLOWED = {"bfloat16": 1, "float32": 64}
SMALL = Shape(hidden=64, layers=3, vocab=320)
# Blocks far smaller than the tensors, so that each has hot, cold and equal parts; changes so large that the
# absolute thresholds of mergekit (1e-6) play no part.
PLANT = Plant(block_bytes=2048, hot=0.2, hot_scale=2e-2, cold_scale=4e-3)


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
    with tempfile.TemporaryDirectory() as name:
        cases = _cases(chosen, Path(name), args.experts)
        _merge_theirs(cases, Path(name))
        good = _table(
            [case for case in cases if not case.operator.random],
            ("operator", "inputs", "output", "over 1 ulp", "at scale", "equals", "apart", "worst", "unlike"),
            _same,
        )
        print()
        return not good & _table(
            [case for case in cases if case.operator.random],
            ("random operator", "inputs", "output", "moved", "L1", "mean"),
            _alike,
        )


def _cases(chosen: Sequence[Operator], folder: Path, experts: int) -> list[Case]:
    families = {
        dtype: write_family(folder / dtype, experts, SMALL, dtype=dtype, plant=PLANT)
        for dtype in ("F32", "BF16")
    }
    return [
        Case(operator, inputs, out, models, folder / f"{number}-theirs", folder / f"{number}-ours")
        for number, (operator, (inputs, models), out) in enumerate(product(chosen, families.items(), OUT))
        if not operator.random or out == "float32"
    ]


def _merge_theirs(cases: Sequence[Case], folder: Path) -> None:
    pairs = []
    for case in cases:
        config = folder / f"{case.theirs.name}.yml"
        config.write_text(mergekit_yaml(case.operator, case.models[0], case.used, out_dtype=case.out))
        pairs += [config, case.theirs]
    python = MERGEKIT.with_name("python")
    subprocess.run([python, Path(__file__).with_name("many_merges.py"), *pairs], check=True)


Judge = Callable[[Case, Tensors, Tensors], tuple[list[str], bool]]
"""The cells of a row, and whether they are as they should be."""


def _table(cases: Sequence[Case], columns: Sequence[str], judge: Judge) -> bool:
    """Prints a row for each case; whether all of them are good. What one side lacks is no failure."""
    if not cases:
        return True
    print(f"| {' | '.join(columns)} |\n|{'---|' * 3}{'---:|' * (len(columns) - 3)}")
    verdicts = []
    for case in cases:
        merged = _both(case)
        cells, good = ([merged], True) if isinstance(merged, str) else judge(case, *merged)
        verdicts.append(good)
        cells += [""] * (len(columns) - 3 - len(cells))
        print(f"| {' | '.join([case.operator.name, case.inputs, case.out, *cells])} |", flush=True)
    return all(verdicts)


def _both(case: Case) -> tuple[Tensors, Tensors] | str:
    """What mergekit made and what fusec makes, or why one of them does not."""
    failed = case.theirs / "failed.txt"
    if failed.exists():
        return f"mergekit not available: {_reason(failed.read_text())}"
    spec = fresh(case.ours) / "spec.fuse"
    spec.write_text(fuse_spec(case.operator, case.models[0], case.used, dtype=OUT[case.out]))
    done = subprocess.run([FUSEC, "run", spec], capture_output=True, text=True)
    if done.returncode:
        return f"fusec not available: {_reason(done.stdout + done.stderr)}"
    return _tensors(case.theirs), _tensors(case.ours / "out")


def _same(case: Case, theirs: Tensors, ours: Tensors) -> tuple[list[str], bool]:
    base, *experts = map(_tensors, (case.models[0], *case.used))
    left_open = _left_open(case.operator.name, len(experts))
    allowed = ALLOWED[case.out]
    found = compare(base, experts, theirs, ours, left_open=left_open, allowed=allowed)
    share = f"{100 * found.over / found.elements:.4f} %"
    cells = [share, f"{found.at_scale:.2f}", str(found.equals), str(found.apart), found.worst]
    return [*cells, case.operator.unlike], found.apart == 0 or bool(case.operator.unlike)


def _left_open(operator: str, experts: int) -> Open | None:
    """Where an operator of `OPERATORS`, with its parameters there, has a choice."""
    weights = weights_of(experts)
    match operator:
        case "ties":
            return either(largest_kept(0.5), balanced(weights, 0.5, 0.0))
        case "breadcrumbs":
            return middle_kept(0.9, 0.01)
        case "breadcrumbs_ties":
            return either(middle_kept(0.9, 0.01), balanced(weights, 0.9, 0.01))
        case "sce":
            return most_varied(0.5)
    return None


def _alike(case: Case, theirs: Tensors, ours: Tensors) -> tuple[list[str], bool]:
    base = _tensors(case.models[0])
    left, right = (
        torch.cat([(merged[name].double() - base[name].double()).flatten() for name in base])
        for merged in (theirs, ours)
    )
    moved = float((right != 0).sum() / (left != 0).sum())
    size = float(right.abs().sum() / left.abs().sum())
    mean = float((right.mean() - left.mean()) / left.abs().mean())
    good = max(abs(moved - 1), abs(size - 1), abs(mean)) < 0.02
    return [f"{moved:.4f}", f"{size:.4f}", f"{mean:+.4f}"], good


def _reason(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("error")]
    return (said or lines or ["no message"])[0].replace("|", "/")[:100]


def _tensors(model: Path) -> Tensors:
    return {n: t for file in sorted(model.glob("*.safetensors")) for n, t in load_file(file).items()}


if __name__ == "__main__":
    sys.exit(main())

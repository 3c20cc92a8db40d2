"""How each contender is told to do a merge: its configuration on disk and its command line.

Every merge is the same operator with the same parameters, computed in float32 and stored as bfloat16.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FUSEC = Path(sys.executable).with_name("fusec")
MERGEKIT = ROOT / ".venv-peers" / "bin" / "mergekit-yaml"


@dataclass(frozen=True)
class Operator:
    """One operator in both languages.

    `fusec` is a method; `mergekit` are parameters of the whole merge, `each` those of every expert. `experts`
    limits how many it takes. `random` ones can only agree in distribution; `unlike` says what fusec means to
    do otherwise.
    """

    name: str
    fusec: str
    mergekit: Mapping[str, float | bool | str] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)
    weighted: bool = True
    based: bool = True
    experts: int | None = None
    random: bool = False
    unlike: str = ""


OPERATORS = {
    operator.name: operator
    for operator in (
        Operator("linear", "linear", {"normalize": True}, based=False),
        Operator("task_arithmetic", "task_arithmetic"),
        Operator("ties", "ties(density: 0.5)", each={"density": 0.5}),
        Operator("dare_linear", "dare_linear(density: 0.5)", each={"density": 0.5}, random=True),
        Operator("dare_ties", "dare_ties(density: 0.5)", each={"density": 0.5}, random=True),
        Operator(
            "della",
            "della(density: 0.5, epsilon: 0.15)",
            {"epsilon": 0.15},
            each={"density": 0.5},
            random=True,
        ),
        Operator(
            "della_linear",
            "della_linear(density: 0.5, epsilon: 0.15)",
            {"epsilon": 0.15},
            each={"density": 0.5},
            random=True,
        ),
        Operator(
            "breadcrumbs", "breadcrumbs(density: 0.9, gamma: 0.01)", {"gamma": 0.01}, each={"density": 0.9}
        ),
        Operator(
            "breadcrumbs_ties",
            "breadcrumbs_ties(density: 0.9, gamma: 0.01)",
            {"gamma": 0.01},
            each={"density": 0.9},
        ),
        Operator(
            "sce",
            "sce(select_topk: 0.5)",
            {"select_topk": 0.5},
            weighted=False,
            unlike="equals share their weight",
        ),
        Operator("slerp", "slerp(t: 0.3)", {"t": 0.3}, weighted=False, experts=1),
        Operator("nuslerp", "nuslerp", experts=2),
        Operator("multislerp", "multislerp(of: weights)", based=False),
        Operator("karcher", "karcher", weighted=False, based=False),
        Operator("model_stock", "model_stock", weighted=False),
        Operator("arcee_fusion", "arcee_fusion", weighted=False, experts=1, unlike="exact divergences"),
        Operator("nearswap", "nearswap(t: 0.001)", {"t": 0.001}, weighted=False, experts=1),
    )
}


def weights_of(experts: int) -> list[float]:
    """Unequal weights that sum to about one, exact in the two decimals they are written with."""
    return [round((1 + 0.5 * (i % 3)) / (1.5 * experts), 2) for i in range(experts)]


def mergekit_yaml(
    operator: Operator, base: Path, experts: Sequence[Path], *, out_dtype: str = "bfloat16"
) -> str:
    lines = [f"merge_method: {operator.name}", "dtype: float32", f"out_dtype: {out_dtype}"]
    if operator.based:
        lines.append(f"base_model: {base}")
    lines.append("models:")
    for weight, expert in zip(weights_of(len(experts)), experts, strict=True):
        own = ({"weight": weight} if operator.weighted else {}) | dict(operator.each)
        inner = ", ".join(f"{key}: {value}" for key, value in own.items())
        lines.append(f"  - {{model: {expert}" + (f", parameters: {{{inner}}}}}" if inner else "}"))
    if operator.mergekit:
        inner = ", ".join(f"{key}: {str(value).lower()}" for key, value in operator.mergekit.items())
        lines.append(f"parameters: {{{inner}}}")
    return "\n".join(lines) + "\n"


def fuse_spec(
    operator: Operator,
    base: Path,
    experts: Sequence[Path],
    *,
    slots: Mapping[str, str] = {},
    dtype: str | None = None,
) -> str:
    """A spec whose merge goes to ./out; `slots` are further slots of the merge."""
    names = [f"e{i:02d}" for i in range(len(experts))]
    lines = ["edition 2026", "", f'model base from "{base}"']
    lines += [
        f'model {name}: Model[_, _, root: base] from "{path}"'
        for name, path in zip(names, experts, strict=True)
    ]
    shares = weights_of(len(experts))
    listed = [f"{n}: {w}" for n, w in zip(names, shares, strict=True)] if operator.weighted else names
    own = {"base": "base", "experts": f"[{', '.join(listed)}]", "method": operator.fusec}
    own |= {"dtype": dtype} if dtype else {}
    body = "\n".join(f"  {key}: {value}" for key, value in (own | dict(slots)).items())
    return "\n".join([*lines, "", f"model merged = merge {{\n{body}\n}}", "", 'output merged to "./out"', ""])


def fresh(folder: Path) -> Path:
    """An empty folder at this path, whatever lay there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def floor_command(out: Path, base: Path, experts: Sequence[Path]) -> list[str]:
    return [sys.executable, "-I", str(HERE / "plain.py"), "floor", str(out), str(base), *map(str, experts)]


def naive_command(method: str, out: Path, base: Path, experts: Sequence[Path]) -> list[str]:
    plain = [sys.executable, "-I", str(HERE / "plain.py"), "naive", method]
    return [*plain, str(out), str(base), *map(str, experts)]


def mergekit_command(yaml: Path, out: Path, *more: str) -> list[str]:
    quiet = ["--quiet", "--no-copy-tokenizer", "--no-write-model-card"]
    return [str(MERGEKIT), str(yaml), str(out), *quiet, *more]

"""Ten thousand nodes: seconds and memory to check, optimize and plan a spec of that size.

Half of the spec are chains of row verbs, half are merges of one family that build on each other; a tenth of
the steps are written twice. Sources are facts, so nothing is read.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "compiler"))

from fusec.compiler.lower import lower
from fusec.compiler.plan import make_plan

NODES, KEYS, CHAIN = 10_000, 100, 10
SECONDS, BYTES = 5.0, 1e9
HEAD = """edition 2026
model base from "fixture:llama-a"
model math: Model[_, _, root: base] from "fixture:llama-a-math"
model code: Model[_, _, root: base] from "fixture:llama-a-code"
data rows from "fixture:pairs"
"""


def spec(nodes: int) -> str:
    """A spec of about so many nodes: families of KEYS members, each made from the one before."""
    keys = ", ".join(f'"k{key}"' for key in range(KEYS))
    values = ", ".join(f'"k{key}": {key + 1}' for key in range(KEYS))
    lines = [f"let keys = [{keys}]", f"let size = [{values}]"]
    for n in range(nodes // KEYS // 2):
        first = n % CHAIN == 0
        data, model = ("rows", "math") if first else (f"d{n - 1}[k]", f"m{n - 1}[k]")
        number = n - 1 if n % 10 == 9 else n  # one in ten is the step before, once more
        if number < n:
            data, model = (
                ("rows", "math") if number % CHAIN == 0 else (f"d{number - 1}[k]", f"m{number - 1}[k]")
            )
        lines.append(
            f"data d{n}[k in keys] = {data} |> filter {{ keep: .prompt != k and len(.prompt) > {number} }}"
        )
        lines.append(
            f"model m{n}[k in keys] = merge {{ base: base, experts: [code, {model}], "
            f"method: task_arithmetic(scale: size[k] / {100 * (number + 1)}) }}"
        )
        if n % CHAIN == CHAIN - 1:
            ends = ((name, key) for name in (f"d{n}", f"m{n}") for key in range(KEYS))
            lines += [f'output {name}["k{key}"] to "./out/{name}-{key}"' for name, key in ends]
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    from world import check_text

    started = time.perf_counter()
    typed, _ = check_text(spec(NODES))
    assert not typed.failed, [problem.title() for problem in typed.problems[:3]]
    checked = time.perf_counter()
    graph = lower(typed)
    plan = make_plan(typed, graph, spec="spec.fuse", spec_digest="")
    planned = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for trace in plan.passes:
        print(f"  {trace.name:14} {trace.before:6} -> {trace.after:6}   {trace.said[:80]}")
    print(f"{len(graph.nodes)} nodes, {len(plan.tasks)} tasks")
    print(f"check {checked - started:.2f} s, optimize and plan {planned - checked:.2f} s, of {SECONDS} s")
    print(f"memory {memory / 1e6:.0f} MB of {BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

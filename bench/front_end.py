"""How long a spec of 5,000 lines takes to parse and to check: the fastest of 5, against a bound of 1.5 s.

    python bench/front_end.py

The spec is generated: sources, curated data, families of experts, merges, reports and gates, all sound.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from fusec.compiler.check import check
from fusec.lang.parse import parse
from fusec.lang.source import Source

sys.path.insert(0, str(Path(__file__).resolve().parent))
from recovery import facts

LINES, BOUND, RUNS = 5_000, 1.5, 5

GROUP = """
## Group {n}: three experts and one model out of them.
data raw_{n} from "fixture:pairs"
  |> filter {{ keep: .quality >= 0.{n} and .prompt != "" }}
  |> select {{ prompt: .prompt, response: .response }}

data lesson_{n} = raw_{n} |> sample {{ rows: 256 rows }}

model expert_{n}[d in domains] = finetune {{
  model: base
  data: lesson_{n}
  steps: steps
  batch: 16
  lr: 1e-5
  schedule: linear
}}

model merged_{n} = merge {{
  base: base
  experts: expert_{n}
  method: ties(density: 0.5)
}}

report after_{n} = evaluate {{ model: merged_{n}, data: raw_{n} }}

check after_{n}.loss < 3.5 else "group {n} did not learn"

output merged_{n} to "./models/group-{n}"
"""


def spec(lines: int = LINES) -> str:
    """A sound spec of at least so many lines."""
    head = (
        'edition 2026\n\nparam seed = 17\nparam steps = 300 steps\n\nlet domains = ["math", "code", "law"]\n'
    )
    text, n = head + '\nmodel base from "fixture:llama-a"\n', 0
    while text.count("\n") < lines:
        n += 1
        text += GROUP.format(n=n)
    return text


def main() -> int:
    text = spec()
    best = (float("inf"), 0.0, 0.0)
    for _ in range(RUNS):
        start = time.perf_counter()
        parsed = parse(Source("big.fuse", text))
        middle = time.perf_counter()
        typed = check(parsed, facts, {})
        end = time.perf_counter()
        best = min(best, (end - start, middle - start, end - middle))
    for problem in typed.problems[:3]:
        print(f"unexpected: {problem.code} {problem.title()} at {problem.marks()[0].span}")
    total, parsing, checking = best
    print(
        f"{text.count(chr(10))} lines, {len(parsed.file.declarations)} declarations, {len(typed.steps)} steps"
    )
    print(f"parse {parsing:.2f} s + check {checking:.2f} s = {total:.2f} s, bound {BOUND} s")
    return int(bool(typed.problems) or total >= BOUND)


if __name__ == "__main__":
    sys.exit(main())

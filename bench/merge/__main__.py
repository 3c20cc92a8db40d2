"""What merging costs, against mergekit, a plain script and the disk: the tables of docs/performance.md.

    python -m bench.merge [--quick] [--tables T1,T2] [--out DIR]

Makes a family of models (or takes the one in --family), runs every contender on it in processes of their own
with a cold page cache, and writes results as JSON beside the Markdown on stdout. `make bench-peers` installs
mergekit into an environment of its own; what is not there is printed as not available.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from . import costs, savings
from .arena import Arena
from .family import shape_of, write_family
from .markdown import Table
from .runs import Outcome, Runs
from .scope import Scope

KEYS = ("T1", "T2", "T2b", "T3", "T4", "T5", "T6", "T7")


def main() -> int:
    args = _arguments()
    megabytes, most = (16, 4) if args.quick else (700, 16)
    scope = Scope((4,), 4, 2) if args.quick else Scope()
    if args.counts:
        counts = tuple(map(int, args.counts.split(",")))
        scope = replace(scope, counts=counts, at=min(scope.at, max(counts)))
    if args.operators:
        scope = replace(scope, operators=tuple(args.operators.split(",")))
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        work = Path(name)
        family = args.family or work / "family"
        if not (family / "family.json").exists():
            _say(f"writing {most} experts of {megabytes} MB to {family}")
            write_family(family, most, shape_of(megabytes))
        out = args.out.resolve()
        runs = Runs(out / "runs.jsonl", repeats=1 if args.quick else args.repeats, tell=_say)
        if args.resume:
            runs.resume()
        else:
            runs.log.write_text("")
        arena = Arena(family, work, out, runs)
        print(f"Models of {arena.model_bytes / 1e6:.0f} MB. {_machine()}\n", flush=True)
        _run(arena, scope, args.tables.split(","))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small models, few experts, every run once")
    parser.add_argument(
        "--tables", default=",".join(KEYS), metavar="T1,..", help="which tables; all by default"
    )
    parser.add_argument(
        "--family", type=Path, metavar="DIR", help="a family that bench/merge/family.py wrote"
    )
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where to work; needs the family's size twice"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--counts", metavar="K,..", help="numbers of experts; 2,4,8,16 by default")
    parser.add_argument(
        "--operators", metavar="NAME,..", help="operators of T2 and T5; all of theirs by default"
    )
    parser.add_argument("--resume", action="store_true", help="take over what earlier runs into --out found")
    parser.add_argument("--out", type=Path, default=Path("build/bench-merge"), metavar="DIR")
    args = parser.parse_args()
    if args.resume and args.family is None:
        parser.error("--resume needs the --family that the earlier runs were made with")
    return args


def _run(arena: Arena, scope: Scope, chosen: list[str]) -> None:
    prepared: dict[str, Outcome] = {
        "first merge": arena.lock(arena.size),
        "analyse": arena.analyse(arena.size),
    }
    makers: dict[str, Callable[[], Table]] = {
        "T1": lambda: costs.reads(arena, scope),
        "T2": lambda: costs.times(arena, scope),
        "T2b": lambda: costs.throttled(arena, scope),
        "T3": lambda: costs.total_io(arena, scope),
        "T4": lambda: savings.budgets(arena, scope),
        "T5": lambda: costs.operators(arena, scope),
        "T6": lambda: savings.ablations(arena, scope),
        "T7": lambda: savings.overhead(arena, scope, prepared),
    }
    for key in chosen:
        _say(f"{key} ...")
        table = makers[key]()
        print(table.markdown(), flush=True)
        (arena.out / f"{key}.json").write_text(json.dumps(asdict(table), indent=1) + "\n")


def _machine() -> str:
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    cpu = models[0].split(":")[1].strip() if models else platform.machine()
    python, linux = platform.python_version(), platform.release()
    return f"{os.cpu_count()} processors ({cpu}), Linux {linux}, Python {python}."


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

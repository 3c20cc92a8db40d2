"""Looks for an input that makes the front end raise or hang: random bytes, mutated specs, grown specs, and
specs that use each other.

    python bench/fuzz.py [CASES [SEED]]

Each case is one spec, or a few with their files in memory, parsed, checked with facts for any source, its
messages drawn, and the text laid out; all within one second of processor time. Case `n` depends on SEED and
`n` alone. Prints what ran and the first cases that failed.
"""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

from recovery import ALPHABET, ROOT, SPECS, facts

from fusec.compiler.check import check
from fusec.compiler.files import File
from fusec.compiler.packages import Extension, PackagePin, PackageProblem
from fusec.compiler.step import family_names, find_method, find_verb, methods_of, verb_names
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.format import DoesNotParse, format_source
from fusec.lang.lexer import words
from fusec.lang.parse import parse
from fusec.lang.render import render
from fusec.lang.source import Source

MAIN = "fuzz.fuse"
LIMIT = 1.0  # seconds of processor time that a case may take
BATCH = 500
NOTES = sorted((ROOT / "tests" / "compiler" / "notes").glob("*.md"))
BLOCKS = [block for note in NOTES for block in re.findall(r"```fuse[^\n]*\n(.*?)```", note.read_text(), re.S)]
LANGUAGE = """\
edition 2026

param seed = 1
param names: List[Str] = ["math", "code"]

use "part.fuse"(of: k, least: 5) as part[k in names]
use "{names[0]}.fuse" as one
use "part.fuse"(of: "math") as law
extend "acme_fuse_steps" as acme

model base from "fixture:llama-a"
delta lora[n in names] from "fixture:lora-{n}"
delta skill = task_vector { model: part["math"].best, base: base }
data rows = mix { parts: [part["math"].rows: 60%, law.rows: 40%], rows: 10 }
model merged = merge { base: base, experts: [law.best], method: acme.average }
data more = rows |> acme.filter { keep: len(.prompt) > law.least } |> filter { keep: .response != "" }

target cluster = ray(
  address: "ray://head:10001",
  nodes: [node(count: 2, gpus: h100(8), memory: 1.8 TB, price: 42 USD/h)],
  store: "s3://acme",
)
target laptop = local(memory: 16 GB)
budget { reads: 24 GB, cost: 5 USD }

output merged to "./out/{seed}"
output more to "./out/more"
"""
PART = """\
edition 2026

param seed = 2
param of: Str
param least = 1

use "deep.fuse" as deep

data rows from "fixture:pairs" |> filter { keep: len(.prompt) > least and .response != of }
model best from "fixture:llama-a-{of}"
let both = [deep.base, best]
"""
DEEP = 'edition 2026\n\nmodel base from "fixture:llama-a"\nlet k = ["a", "b"]\n'
TEXTS = [*(path.read_text(encoding="utf-8") for path in SPECS), *BLOCKS, LANGUAGE, LANGUAGE, PART]
METHODS = [name for family in family_names() for name in methods_of(family)]
NAMES = ("a", "b", "m", "d", "base", "seed", "k", "train", "average", "x")
OPERATORS = ("+", "-", "*", "/", "==", "<", "and", "or", "in", "not in", "..")
ODD = (
    "\x00",
    "\r",
    "\r\n",
    "\ufeff",
    "\t",
    "“",
    "а",
    "\U0001f600",
    "\u2028",
    "\\",
    "'''",
    '"""',
    "{{",
    "}",
    "##",
)


class TooSlow(BaseException):
    """Raised by the timer; not an `Exception`, so that nothing on the way can swallow it."""


class Failure(NamedTuple):
    number: int
    shape: str
    what: str


# --- making texts -------------------------------------------------------------------


def random_bytes(rng: random.Random) -> str:
    """Bytes as a spec file may hold them; half of the cases from an alphabet that gets past the lexer."""
    if rng.random() < 0.5:
        return rng.randbytes(rng.randrange(200)).decode("utf-8", "replace")
    parts = (*ALPHABET, *ODD, *NAMES, "\n", " ", "let", "\nlet", "\nmodel", "\ndata", "for")
    return "".join(rng.choice(parts) for _ in range(rng.randrange(80)))


def mutated(rng: random.Random) -> str:
    """Part of a spec, or two spliced, with up to six small changes to its tokens and letters."""
    text = _cut(rng, rng.choice(TEXTS))
    if rng.random() < 0.3:
        text = text[: rng.randrange(len(text) + 1)] + _cut(rng, rng.choice(TEXTS))
    for _ in range(rng.randrange(1, 7)):
        at = rng.randrange(len(text) + 1)
        if rng.random() < 0.4:
            new = rng.choice((chr(rng.randrange(32, 127)), rng.choice(ODD), ""))
            text = text[:at] + new + text[at + rng.randrange(3) :]
            continue
        tokens = words(Source("fuzz", text)).tokens
        if not tokens:
            continue
        one, other = rng.choice(tokens), rng.choice(tokens)
        new = rng.choice(("", rng.choice(ALPHABET), rng.choice(NAMES), text[other.start : other.end]))
        text = f"{text[: one.start]}{new}{text[one.end :]}"
    return text


def _cut(rng: random.Random, text: str) -> str:
    """A few neighbouring lines; a whole spec once in ten."""
    if rng.random() < 0.1:
        return text
    lines = text.splitlines(keepends=True)
    start = rng.randrange(len(lines))
    return "".join(lines[start : start + rng.randrange(1, 25)])


def grown(rng: random.Random) -> str:
    """Declarations that parse, mostly, and mean anything."""
    heads = ("let {n} = {e}", "param {n} = {e}", "model {n} = {e}", "data {n} = {e}", "report {n} = {e}",
             "let {n}[k in {e}] = {e}", "model {n}[k in {e}] = {e}", "check {e} else {s}",
             "budget {{ a: {e} }}",
             "output {n} to {s}", "target {n} = {e}", 'model {n} from "fixture:llama-a"',
             "param {n}: Size = {e}",
             'data {n} from "fixture:pairs" {{ split: {e} }} |> {v} {{ {n}: {e} }}', "tokenizer {n} = {e}",
             "use {f}({n}: {e}) as {n}[k in {e}]", "use {f} as {n}", "use {s}({n}: {e}) as {n}",
             "extend {s} as {n}", 'extend "acme_fuse_steps" as {n}', "budget {{ reads: {e} }}",
             "delta {n} = {e}", 'delta {n} from "fixture:lora-math"',
             "delta {n}[k in {e}] = task_vector {{ model: {e}, base: {e} }}",
             "target {n} = ray(nodes: [node(count: {e}, gpus: h100({e}), memory: {e}, price: {e})])",
            )  # fmt: skip
    lines = ["edition 2026", "param seed = 1"]
    for _ in range(rng.randrange(1, 8)):
        head = rng.choice(heads)
        while any(hole in head for hole in ("{e}", "{n}", "{s}", "{v}", "{f}")):
            head = head.replace("{f}", rng.choice(('"a.fuse"', '"b.fuse"', '"{{a}}.fuse"', '"x/a.fuse"')), 1)
            head = head.replace("{e}", _expr(rng, 3).replace("{", "{{").replace("}", "}}"), 1)
            head = head.replace("{n}", rng.choice(NAMES), 1).replace("{v}", rng.choice(verb_names()), 1)
            head = head.replace("{s}", rng.choice(('"s"', '"./{{a}}"', "'x'")), 1)
        lines.append(head.replace("{{", "{").replace("}}", "}"))
    return "\n".join(lines) + "\n"


def _expr(rng: random.Random, depth: int) -> str:
    def sub() -> str:
        return _expr(rng, depth - 1)

    if depth == 0 or rng.random() < 0.2:
        return rng.choice((*NAMES, "1", "0", "-1", "1e308", "24 GB", "2%", "3 rows", ".text", '"a"', "true",
                           "[]", *METHODS))  # fmt: skip
    name = rng.choice(NAMES)
    shapes: tuple[Callable[[], str], ...] = (
        lambda: f"{sub()} {rng.choice(OPERATORS)} {sub()}",
        lambda: f"[{', '.join(sub() for _ in range(rng.randrange(4)))}]",
        lambda: f"[{', '.join(f'{sub()}: {sub()}' for _ in range(rng.randrange(1, 4)))}]",
        lambda: f"[{sub()} for {name} in {sub()} if {sub()}]",
        lambda: f"[{sub()}: {sub()} for {name} in {sub()}]",
        lambda: f"if {sub()} then {sub()} else {sub()}",
        lambda: f"{rng.choice(METHODS)}({name}: {sub()})",
        lambda: f"{rng.choice(METHODS)}({sub()}, {sub()})",
        lambda: f"{rng.choice(verb_names())} {{ {_slots(rng, depth)} }}",
        lambda: f"{sub()} |> {rng.choice(verb_names())} {{ {_slots(rng, depth)} }}",
        lambda: f"{sub()}.{name}",
        lambda: f"{sub()}[{sub()}]",
        lambda: f"not {sub()}",
        lambda: f"-{sub()}",
        lambda: f'"{{{name}}}-{{{name}}}"',
        lambda: f"({sub()})",
    )
    return rng.choice(shapes)()


def _slots(rng: random.Random, depth: int) -> str:
    names = (
        "base",
        "experts",
        "method",
        "data",
        "model",
        "keep",
        "on",
        "parts",
        "rows",
        "test",
        "steps",
        "arch",
    )
    return ", ".join(f"{rng.choice(names)}: {_expr(rng, depth - 1)}" for _ in range(rng.randrange(4)))


def several(rng: random.Random) -> dict[str, str]:
    """Specs that use each other, each whole, changed a little, or grown; who uses whom may be a bomb."""
    if rng.random() < 0.6:
        texts = {MAIN: LANGUAGE, "part.fuse": PART, "deep.fuse": DEEP, "math.fuse": DEEP}
        for name in texts:
            if rng.random() < 0.5:
                texts[name] = _changed(rng, texts[name])
        return texts
    names = [f"{name}.fuse" for name in ("a", "b", "c", "x/a")]
    texts = {MAIN: grown(rng), **{name: grown(rng) for name in names}}
    for name in texts:
        for number in range(rng.randrange(4)):
            family = rng.choice(("", "", "[k in n]"))
            texts[name] += f'use "{rng.choice(names)}" as u{number}{family}\nlet v{number} = u{number}.base\n'
        texts[name] += (
            "let n = [" + ", ".join(f'"{i}"' for i in range(rng.choice((0, 1, 2, 30, 300)))) + "]\n"
        )
    return texts


def _changed(rng: random.Random, text: str) -> str:
    for _ in range(rng.randrange(1, 4)):
        tokens = words(Source("fuzz", text)).tokens
        if tokens:
            one, other = rng.choice(tokens), rng.choice(tokens)
            new = rng.choice(("", rng.choice(ALPHABET), rng.choice(NAMES), text[other.start : other.end]))
            text = f"{text[: one.start]}{new}{text[one.end :]}"
    return text


SHAPES: dict[str, Callable[[random.Random], str | dict[str, str]]] = {
    "bytes": random_bytes,
    "mutated": mutated,
    "grown": grown,
    "several": several,
}


def case(seed: int, number: int) -> tuple[str, dict[str, str]]:
    """The shape of one case, and its texts by path; the first is the spec."""
    rng = random.Random(f"{seed}/{number}")
    shape = list(SHAPES)[number % len(SHAPES)]
    made = SHAPES[shape](rng)
    return shape, {MAIN: made} if isinstance(made, str) else made


# --- trying them --------------------------------------------------------------------


class Texts:
    """Files in memory; implements `compiler.files.Files`."""

    main = MAIN

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._known: dict[str, File] = {}

    def read(self, path: str) -> File | str:
        if path not in self._known:
            if path not in self._texts:
                return "no such file"
            self._known[path] = File(path, parse(Source(path, self._texts[path])))
        return self._known[path]


def packages(name: str) -> Extension | PackageProblem:
    """A package whose verbs and methods are a few of fusec's own."""
    if name != "acme_fuse_steps":
        return PackageProblem("missing", "no such package is installed", ("acme_fuse_steps",))
    verbs = {name: verb for name in ("filter", "merge", "finetune") if (verb := find_verb(name))}
    methods = {name: cls for name in ("average", "llama", "ray") if (cls := find_method(name))}
    return Extension(PackagePin(name, "1.0", "0" * 64), verbs, methods, frozenset())


def check_all(texts: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """What is said of the spec among a few files, checked with facts for any source."""
    files = Texts(texts)
    main = files.read(MAIN)
    assert isinstance(main, File)
    return check(main.parsed, facts, {}, packages, files).problems


def front_end(texts: Mapping[str, str]) -> None:
    """All that an editor or `fusec check` and `fusec fmt` would do with a spec."""
    for problem in check_all(texts):
        render(problem)
    try:
        laid = format_source(texts[MAIN])
    except DoesNotParse:
        return
    assert format_source(laid) == laid, "the layout is not stable"


def run(job: tuple[int, int, int]) -> tuple[Counter[str], list[Failure], float]:
    """Cases `first` to `last` of a seed: how many of each shape, what failed, the slowest in seconds."""
    seed, first, last = job
    ran: Counter[str] = Counter()
    failures: list[Failure] = []
    slowest = 0.0
    signal.signal(signal.SIGPROF, _too_slow)
    for number in range(first, last):
        shape, texts = case(seed, number)
        ran[shape] += 1
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        try:
            front_end(texts)
        except (Exception, TooSlow) as error:
            failures.append(Failure(number, shape, f"{type(error).__name__}: {error}"[:160]))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - start)
    return ran, failures, slowest


def _too_slow(*_: Any) -> None:
    raise TooSlow(f"more than {LIMIT:g} s")


def main() -> int:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 6_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    jobs = [(seed, at, min(at + BATCH, cases)) for at in range(0, cases, BATCH)]
    ran: Counter[str] = Counter()
    failures: list[Failure] = []
    slowest, start = 0.0, time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        for more, failed, slow in pool.map(run, jobs):
            ran, failures, slowest = ran + more, failures + failed, max(slowest, slow)
    counts = ", ".join(f"{number} {shape}" for shape, number in ran.items())
    print(f"{sum(ran.values())} cases of seed {seed} ({counts}) in {time.perf_counter() - start:.0f} s")
    print(f"{len(failures)} failed; the slowest took {slowest * 1000:.0f} ms")
    for failure in failures[:20]:
        print(f"  case {failure.number} ({failure.shape}): {failure.what}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

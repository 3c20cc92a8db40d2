"""Names, order and layout of a spec never change what it denotes: one plan id for all ways to write it."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.check import check
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.identity import graph_ids, plan_id
from fusec.compiler.lower import lower
from fusec.lang import tree
from fusec.lang.format import format_source
from fusec.lang.lexer import words
from fusec.lang.parse import parse
from fusec.lang.source import Source, Span

EVERYTHING = """edition 2026

## Every kind of declaration, families, splits, maps and checks.
param seed = 17
param share = 0.4
let skills = ["math", "code", "law"]
let weights = ["math": 0.5, "code": 0.3, "law": 0.2]
let density = 0.25 + share

model base from "fixture:llama-a"
model expert[s in skills] from "fixture:llama-a-{s}"
tokenizer words from "fixture:llama-a"

data pairs from "fixture:pairs"
data good = pairs
  |> filter { keep: .quality > 0.5 and len(.response) in 3..900 }
  |> derive { length: tokens(.response, by: words) }  # for the sample below
  |> filter { drop: .length > 100 }
data part = good |> split { train: 80%, test: 20% }
data lesson[s in skills] = part.train |> filter { keep: contains(.prompt, s) }

model tuned[s in skills] = finetune { model: expert[s], data: lesson[s], steps: 3, context: 16 }
model merged = merge {
  base: base
  experts: [tuned["math"]: weights["math"], tuned["code"]: weights["code"], tuned["law"]: weights["law"]]
  method: linear(normalize: false)
  keep: ["*.norm*"]
  rules: [
    tensors("*.self_attn.*", weights: [share, 0.1, 2]),
    gradient(
      "*.mlp.*",
      weights: [[0, 1, 0], [1, 0, 0]],
      method: [ties(density: [0.2, 0.3, density]), ties(density: 0.6)],
    ),
  ]
}
model pruned = merge { base: base, experts: [expert["law"], merged], method: ties(density: density) }
model taller = stack {
  layers: [slice(expert["law"], 0, 2), slice(base, 1, 2, scale: share, only: ["*.mlp.*"])]
}
model small = cast { model: taller, dtype: fp16 }
delta learnt = expert["law"] |> extract_lora { base: base, rank: 4, target: ["*.mlp.*"] }

report before = evaluate { model: base, data: part.test }
report after = evaluate { model: merged, data: part.test }

check after.loss <= before.loss * 1.01 else "worse than the base"
output merged to "./out/merged"
output pruned to "./out/pruned"
output small to "./out/small"
output learnt to "./out/learnt"
output part.train to "./out/train.jsonl"
"""
SPECS = {"everything": EVERYTHING} | {
    path.stem: path.read_text() for path in sorted(Path(__file__).parents[2].glob("specs/*.fuse"))
}
seeds = st.integers(0, 2**32)
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def facts(request: SourceRequest) -> SourceFacts | SourceProblem:
    """The fixtures; any other data has text, any other model is the usual one."""
    known = {"data": ("data", "fixture:text"), "model": ("model", world.ROOT)}
    found = world.facts(request)
    return found if not isinstance(found, SourceProblem) else world.FACTS[known[request.kind]]


def meaning(text: str) -> str:
    typed = check(parse(Source("spec.fuse", text)), facts)
    assert not typed.problems, f"{[problem.title() for problem in typed.problems]}\n{text}"
    graph = lower(typed)
    return plan_id(graph, graph_ids(graph))


# --- three ways to write the same -----------------------------------------------------


def renamed(text: str, rng: random.Random) -> str:
    """Each declared name becomes another one, or swaps with a declared one."""
    file = parse(Source("spec.fuse", text)).file
    names = [name.id for d in file.declarations if (name := getattr(d, "name", None)) and name.id != "seed"]
    fresh = ["x_" + "".join(rng.choices(string.ascii_letters, k=5)) for _ in names]
    new = dict(zip(names, rng.sample([*names, *fresh], len(names)), strict=True))
    spans = {span for d in file.declarations for span in _mentions(d, new.keys(), frozenset())}
    for span in sorted(spans, key=lambda span: span.start, reverse=True):
        text = text[: span.start] + new[span.text] + text[span.end :]
    return text


def _mentions(node: Any, names: Any, hidden: frozenset[str]) -> Iterator[Span]:
    """Where the declared names stand; variables of families hide them, and slots and fields are no names."""
    match node:
        case tree.Name(id=name) if name in names and name not in hidden:
            yield node.span
        case tuple() if not isinstance(node, Span):
            for item in node:
                yield from _mentions(item, names, hidden)
        case tree.Comprehension(variable=variable):
            yield from _mentions(node.over, names, hidden)
            yield from _mentions((node.item, node.condition), names, hidden | {variable.id})
        case tree.Slot() | tree.Arg() | tree.Field():
            yield from _mentions(node.value, names, hidden)
        case tree.Call():
            yield from _mentions(node.args, names, hidden)
        case tree.Step() | tree.Stage():
            yield from _mentions(node.block, names, hidden)
        case tree.Family():
            yield from _mentions(node.over, names, hidden)
        case tree.Node():
            family = getattr(node, "family", None)
            inner = hidden | {family.variable.id} if family else hidden
            for field in node.__struct_fields__:
                yield from _mentions(getattr(node, field), names, hidden if field == "name" else inner)


def reordered(text: str, rng: random.Random) -> str:
    """The declarations in another order behind the edition."""
    edition, *rest = parse(Source("spec.fuse", text)).file.declarations
    return "\n".join(d.span.text for d in (edition, *rng.sample(rest, len(rest)))) + "\n"


def relaid(text: str, rng: random.Random) -> str:
    """Other spaces, line breaks and comments where there were any."""
    out, end = "", 0
    for token in words(Source("spec.fuse", text)).tokens:
        gap = text[end : token.start]
        # What begins at column 0 is a declaration and has to stay one.
        indent = "" if gap.endswith("\n") else " " * rng.randint(1, 5)
        if "\n" in gap or (gap and rng.random() < 0.1):
            out += rng.choice(("", " # so", "\n    # a line of its own", "\r")) + "\n" * rng.randint(1, 3)
        out += f"{indent if gap else ''}{text[token.start : token.end]}"
        end = token.end
    return out + rng.choice(("", "\n", "\n\n# the end"))


def formatted(text: str, rng: random.Random) -> str:
    return format_source(relaid(text, rng))


WAYS = (renamed, reordered, relaid, formatted)


@every_spec
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@given(seed=seeds)
def test_another_way_to_write_it_is_the_same_plan(
    spec: str, way: Callable[[str, random.Random], str], seed: int
) -> None:
    assert meaning(way(spec, random.Random(seed))) == meaning(spec)


@every_spec
@given(seed=seeds)
def test_all_ways_at_once(spec: str, seed: int) -> None:
    rng, text = random.Random(seed), spec
    for way in rng.sample(WAYS, len(WAYS)):
        text = way(text, rng)
    assert meaning(text) == meaning(spec)


def placed(text: str, rng: random.Random) -> str:
    """Steps say where they run, how often they are tried and what people shall know; a target is added."""
    slots = ("resources: gpus(8)", "resources: cpus(2)", "retries: 3", 'note: "by hand"')

    def more(_: object) -> str:
        chosen = {slot.split(":")[0]: slot for slot in rng.sample(slots, rng.randint(0, 3))}
        return "finetune { " + "".join(f"{slot}, " for slot in chosen.values())

    verbs = ("finetune", "merge", "evaluate", "filter", "sample", "mix", "init", "split")
    for verb in verbs:
        text = re.sub(rf"{verb} \{{ ?", lambda found, verb=verb: more(found).replace("finetune", verb), text)
    return text + "\ntarget here = local(cpus: 2, gpus: h100(8))\n"


@every_spec
@given(seed=seeds)
def test_where_and_how_often_work_is_tried_changes_no_identity(spec: str, seed: int) -> None:
    assert meaning(placed(spec, random.Random(seed))) == meaning(spec)


def test_what_a_plan_is_placed_on_changes_no_identity() -> None:
    text = placed(EVERYTHING, random.Random(1))
    _, here = world.planned(text)
    _, there = world.planned(text, "here")
    assert [task.id for task in here.tasks] == [task.id for task in there.tasks]
    assert here.id == there.id
    assert any(task.place is not None and task.place.ask.gpus for task in there.tasks)


# --- the order of experts -------------------------------------------------------------


def merge_of(experts: str, method: str = "linear(normalize: true)") -> str:
    return meaning(f"""edition 2026
model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
model code from "fixture:llama-a-code"
model law from "fixture:llama-a-law"
model merged = merge {{ base: base, experts: [{experts}], method: {method} }}
output merged to "./out"
""")


@given(st.permutations([("math", 0.5), ("code", 0.3), ("law", 0.2)]))
def test_the_order_of_experts_is_free_and_weights_stay_with_them(experts: list[tuple[str, float]]) -> None:
    plain, weighted = ", ".join(name for name, _ in experts), ", ".join(f"{name}: {w}" for name, w in experts)
    assert merge_of(plain) == merge_of("math, code, law")
    assert merge_of(weighted) == merge_of("math: 0.5, code: 0.3, law: 0.2")
    assert merge_of(weighted) != merge_of("math: 0.3, code: 0.5, law: 0.2")


@given(st.permutations([("math", 0.5), ("code", 0.3), ("law", 0.1), ("math", 0.2)]))
def test_densities_stay_with_their_experts(experts: list[tuple[str, float]]) -> None:
    names, densities = (", ".join(map(str, column)) for column in zip(*experts, strict=True))
    turned = merge_of(names, f"ties(density: [{densities}])")
    assert turned == merge_of("math, code, law, math", "ties(density: [0.5, 0.3, 0.1, 0.2])")
    assert turned != merge_of("math, code, law, math", "ties(density: [0.3, 0.5, 0.1, 0.2])")


def test_a_list_of_one_density_is_that_density() -> None:
    listed = merge_of("math, code, law", "ties(density: [0.5, 0.5, 0.5])")
    assert listed == merge_of("code, law, math", "ties(density: 0.5)")


def test_weights_of_one_are_no_weights_and_patterns_have_no_order() -> None:
    assert merge_of("math: 1, code: 1.0, law: 1") == merge_of("math, code, law")
    one, other = ('keep: ["*.bias", "*.norm*"]', 'keep: ["*.norm*", "*.bias", "*.bias"]')
    assert meaning(EVERYTHING.replace('keep: ["*.norm*"]', one)) == meaning(
        EVERYTHING.replace('keep: ["*.norm*"]', other)
    )


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("param seed = 17", "param seed = 18"),
        ("param share = 0.4", "param share = 0.41"),
        ("len(.response) in 3..900", "len(.response) in 3..901"),
        ('keep: ["*.norm*"]', 'keep: ["*.bias"]'),
        ("steps: 3", "steps: 4"),
        ('"fixture:llama-a-{s}"', '"fixture:llama-a-math"'),
        ("loss * 1.01", "loss * 1.02"),
        ('to "./out/pruned"', 'to "./elsewhere"'),
        ("model: merged, data: part.test", "model: merged, data: part.train"),
    ],
)
def test_another_meaning_is_another_plan(written: str, other: str) -> None:
    assert written in EVERYTHING
    assert meaning(EVERYTHING.replace(written, other)) != meaning(EVERYTHING)

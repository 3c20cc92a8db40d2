"""merge: one model from a base and its experts, streamed tensor by tensor.

Payload bytes, with P the base's stored bytes of the tensors not under `keep`, E the experts' bytes of the
same tensors and K experts:

    method                   base read      experts read    written
    average, linear          0              E               P (in the output dtype) + kept
    task_arithmetic          P              E               the same
    ties, breadcrumbs*       (G + 1) P      2 E             the same; G is K / 8 rounded up
    dare_*, della*           P              E               the same
    with rescale: l1         P more         E more          the same
    expo, magmax, nearswap,
    ram, iso_*, tsv_merge    P              E               the same
    slerp, multislerp,
    karcher, model_stock,
    nuslerp, ramplus_tl      2 P            2 E             the same; by rows P and E
    sce                      3 P            3 E             the same; with select_topk 1, 2 P and 2 E
    arcee_fusion             3 P            3 E             the same
    regmean, fisher          0              2 E             the same

An expert of density 1 is read once, and so is a tensor of which sce selects nothing. For ties and
breadcrumbs, tensors above a million elements are looked at in three more passes where their changes are
spread so oddly that a sample misjudges them, and above 64 million the 32 K elements where equals at the
threshold part are read again.

With `rules` each tensor counts as the method that makes it says.

Kept tensors are read from the base once and from no expert. Tensors other than BF16, F16 and F32 have to be
identical everywhere: each expert's is read once, the base's K + 1 times. One-element tensors are never
trimmed. The head that an expert of a tied base stores is read once more, with the embedding it must repeat.

Experts may be deltas. A stored task vector counts like a model. The two factors of an adapter are read once
for all passes over their tensor, and held as float32 while it is being worked on: rank * (rows + columns)
numbers for each adapter. Where a method takes weights, the base is read once (P) for all deltas together.
Tensors that a delta leaves out are not read of it.

Of merges that read together (`together.py`), every one but the first reads E less, and P less where one
before it reads the base. They copy what they keep, each for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fusec.runtime.hf_folder import SHARD_BYTES, ModelWriter, copy_companions
from fusec.runtime.kernel import Artifact, Context, Method, RunError
from fusec.runtime.kernels.merge.deltas import Delta, read_delta
from fusec.runtime.kernels.merge.engine import stream
from fusec.runtime.kernels.merge.match import Job, Merge, SameHead, match_tensors
from fusec.runtime.kernels.merge.operator import Operator, Operators
from fusec.runtime.kernels.merge.rules import (
    place_tensors,
    rearranged,
    rearranged_rule,
    said_of_experts,
    values_at,
)
from fusec.runtime.kernels.merge.statistics import measured, module_of
from fusec.runtime.sources.safetensors_header import ModelHeaders, read_model_headers

# What specs write -> what safetensors and config.json call it.
DTYPES = {
    "bf16": ("BF16", "bfloat16"), "bfloat16": ("BF16", "bfloat16"),
    "fp16": ("F16", "float16"), "float16": ("F16", "float16"),
    "fp32": ("F32", "float32"), "float32": ("F32", "float32"),
}  # fmt: skip


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Merges `experts` (pairs of Artifact, model or delta, and weight or None) with `base` into `ctx.out`.

    Slots: `method`; `rules` that give tensors another one, or other weights; `keep`, glob patterns of tensors
    left to the base; `dtype` of the merged tensors (None: the base's, tensor by tensor); `shard_size` in
    bytes or None. The result has the base's configuration and tokenizer, and is the same to the byte for
    every order of the experts and number of threads.
    """
    with failures_are_clear(ctx):
        merge = prepare(inputs, slots, ctx)
        with merge.writer as writer:
            stream(merge.jobs, merge.operators, writer, ctx, identities=merge.identities)


@dataclass(frozen=True)
class Prepared:
    """A merge of which all is done but the weights; `identities` tell its experts apart."""

    jobs: Sequence[Job]
    operators: Operators
    writer: ModelWriter
    identities: Sequence[str]


def prepare(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> Prepared:
    """Lines up inputs and slots of `run`, and puts into `ctx.out` what is no weight."""
    base = inputs["base"]
    experts, method, rules = _canonical(inputs["experts"], slots["method"], slots["rules"])
    stored, named = DTYPES[slots["dtype"]] if slots["dtype"] else (None, None)
    headers = [_headers(artifact) for artifact, _ in experts]
    base_headers = read_model_headers(base.path)
    jobs = match_tensors(base_headers, headers, keep=slots["keep"], dtype=stored, reads=ctx.reads)
    merged = [job.target.name for job in jobs if isinstance(job, Merge)]
    operators = _operators(method, experts, rules, base_headers, merged, ctx)
    planned = [job.target for job in jobs if not isinstance(job, SameHead)]
    copy_companions(base.path, ctx.out, dtype=named)
    writer = ModelWriter(ctx.out, planned, shard_bytes=slots["shard_size"] or SHARD_BYTES)
    return Prepared(jobs, operators, writer, _identities(experts))


@contextmanager
def failures_are_clear(ctx: Context) -> Iterator[None]:
    """Turns what the system refuses a merge into a RunError."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"merging into {ctx.out} failed: {error.strerror}{where}") from error


def _headers(expert: Artifact) -> ModelHeaders | Delta:
    return read_delta(expert.path) if expert.kind == "delta" else read_model_headers(expert.path)


def _canonical(
    experts: Sequence[tuple[Artifact, float | None]], method: Method, rules: Sequence[Method]
) -> tuple[list[tuple[Artifact, float]], Method, list[Method]]:
    """Experts with weights, method and rules for them, in an order that does not depend on the one given."""
    if method.name == "average" and not method.kernel and any(weight is not None for _, weight in experts):
        raise RunError(
            "average weighs all experts alike, but a weight is given", hint="method: linear takes weights"
        )
    weighted = [(artifact, 1.0 if weight is None else float(weight)) for artifact, weight in experts]
    columns = said_of_experts(method, rules)

    def rank(place: int) -> tuple[str, float, list[float | str]]:
        artifact, weight = weighted[place]
        return artifact.id, weight, [column[place] for column in columns]

    places = sorted(range(len(weighted)), key=rank)
    turned = [rearranged_rule(rule, places) for rule in rules]
    return [weighted[place] for place in places], rearranged(method, places), turned


def _operators(
    method: Method,
    experts: Sequence[tuple[Artifact, float]],
    rules: Sequence[Method],
    base: ModelHeaders,
    merged: Sequence[str],
    ctx: Context,
) -> Callable[[str], Operator]:
    """The operator of each tensor of `merged`: the merge's own, or that of the first rule which means it."""
    models, weights = [artifact for artifact, _ in experts], [weight for _, weight in experts]
    placed = place_tensors(rules, base.tensors, base.folder) if rules else {}

    def make(method: Method, weights: list[float], key: object) -> Operator:
        names = [name for name in merged if placed.get(name) == key]
        return operator_of(method, weights, measured(method, models, names, ctx))

    own = make(method, weights, None)
    made = {
        (number, place): make(*values_at(rules[number], place, method, weights), (number, place))
        for number, place in dict.fromkeys(placed.values())
    }
    return lambda name: made[placed[name]] if name in placed else own


def _identities(experts: Sequence[tuple[Artifact, float]]) -> list[str]:
    """What tells experts apart; of one that is listed several times, each has its own."""
    seen: Counter[str] = Counter()
    identities = []
    for artifact, _ in experts:
        identities.append(f"{artifact.id}#{seen[artifact.id]}")
        seen[artifact.id] += 1
    return identities


def operator_of(method: Method, weights: list[float], found: Any = None) -> Operator:
    """The arithmetic of a method: one of fusec's own, or what the package that brings the method names.

    `found` is what experts were `measured` to do with data, where the method looks at that.
    """
    make: Callable[..., Operator] = module_of(method).operator
    return make(weights, **method.args, **({} if found is None else {"measured": found}))

"""Plans what merges read of their experts, from what the catalog of a store knows about blocks.

A merge with a budget reads the blocks that its plan names. Every other merge reads what it needs: where the
catalog knows all models, blocks that equal the base are left out and equal blocks are read once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from shlex import quote
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.choices import Choice, choices, of_expert, rearranged
from fusec.compiler.ir import Node, Pairs, Ref
from fusec.compiler.irsteps import raise_methods
from fusec.compiler.methods.merge import Bound, MergeMethod
from fusec.compiler.methods.rule import Rule
from fusec.compiler.reads.access import AccessSet, decode, encode
from fusec.compiler.reads.bounds import Bound2, at_most
from fusec.compiler.reads.columns import F64, Flags
from fusec.compiler.reads.divide import divide
from fusec.compiler.reads.grid import BLOCK
from fusec.compiler.reads.ladder import BudgetTooSmall, Ladder, Outline, plan_reads
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.reads.planned import PlannedReads, UnknownBlocks, rests
from fusec.compiler.reads.request import Additive, Coefficients, Request, WholeBlocks
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.family import Family, Missing, family_columns
from fusec.runtime.kernel import Artifact, Method, RunError
from fusec.runtime.kernels.merge import operator_of
from fusec.runtime.kernels.merge.affine import OfTensors
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.ranges.standin import origin_of
from fusec.runtime.sources.safetensors_header import read_model_headers

DIGITS = {"bf16": 8, "BF16": 8, "fp16": 11, "F16": 11, "fp32": 24, "F32": 24}
"""Significand bits of stored floats, as specs and as files call them."""

Place = Callable[[Ref], Artifact | None]
"""Where a result lies, None while it is not there."""


@dataclass(frozen=True)
class Merging:
    """A merge node as the planner sees it; experts, their names and weights in canonical order."""

    base: Artifact
    experts: tuple[Artifact, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]
    method: MergeMethod
    rules: tuple[Rule, ...]
    keep: tuple[str, ...]
    dtype: str | None
    expert_reads: int | None
    max_error: float | None
    analysis: Any
    block: int
    code: tuple[str, ...]
    """What computes it: the revision of the step, and the packages whose code takes part."""

    @cached_property
    def ruled(self) -> Mapping[str, Choice]:
        """How the tensors that a rule means are merged."""
        names = read_model_headers(self.base.path).tensors if self.rules else ()
        return choices(self.rules, names, Choice(self.method, self.weights))

    def choice(self, tensor: str) -> Choice:
        """How a tensor is merged."""
        return self.ruled.get(tensor) or Choice(self.method, self.weights)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All ways in which tensors are merged, the merge's own first."""
        return tuple(dict.fromkeys((Choice(self.method, self.weights), *self.ruled.values())))

    def with_less(self, spent: int) -> Merging:
        """The same with part of the budget spent already."""
        left = None if self.expert_reads is None else max(0, self.expert_reads - spent)
        return replace(self, expert_reads=left)


def merging(node: Node, place: Place) -> Merging | None:
    """What a merge node combines; None while a part of it is not there."""
    slots = dict(node.slots)
    experts = slots["experts"]
    pairs = experts.items if isinstance(experts, Pairs) else tuple((ref, None) for ref in experts)
    base, placed = place(slots["base"]), [(place(ref), weight, ref) for ref, weight in pairs]
    there = [(a, 1.0 if weight is None else weight, str(ref)[1:]) for a, weight, ref in placed if a]
    if base is None or len(there) < len(placed):
        return None
    method = cast(MergeMethod, raise_methods([slots["method"]], "merge")[0])
    rules = cast(tuple[Rule, ...], raise_methods(slots["rules"], "rule"))

    def rank(at: int) -> tuple[str, float, tuple[float, ...]]:
        artifact, weight, _ = there[at]
        return artifact.id, weight, (*method.of_expert(at), *of_expert(rules, at))

    places = sorted(range(len(there)), key=rank)
    ordered = [there[at] for at in places]
    return Merging(
        base=base,
        experts=tuple(artifact for artifact, _, _ in ordered),
        names=tuple(name for _, _, name in ordered),
        weights=tuple(weight for _, weight, _ in ordered),
        method=method.rearranged(places),
        rules=tuple(rearranged(rule, places) for rule in rules),
        keep=tuple(slots["keep"]),
        dtype=slots["dtype"],
        expert_reads=slots["expert_reads"],
        max_error=slots["max_error"],
        analysis=slots["analysis"],
        block=slots["block"],
        code=(str(node.revision), *map(str, node.packages)),
    )


Ladders = dict[Merging, tuple[Family, Ladder]]


class ReadPlans:
    """Reads of merges by what one catalog knows; a ladder serves every budget over one family.

    `ladders` keeps them for other plans of the same store. With `draft` plans say what is read, not which
    blocks: enough to compare plans, not to run one.
    """

    def __init__(
        self, store: ColumnsStore, place: Place, ladders: Ladders | None = None, *, draft: bool = False
    ) -> None:
        self._store, self._place, self._draft = store, place, draft
        self._ladders: Ladders = {} if ladders is None else ladders

    def plan(self, node: Node) -> PlannedReads | UnknownBlocks | None:
        """The reads of a merge with a budget; None where only the run can decide, or nothing is left out."""
        if not has_budget(node):
            return None
        merge = merging(node, self._place)
        if merge is None or merge.analysis == "sampled":
            return None
        return self.decide(merge)

    def decide(self, merge: Merging) -> PlannedReads | UnknownBlocks:
        """The reads of a merge whose parts are all there. RunError where adapters alone need more."""
        found = self._ladder(merge)
        if isinstance(found, Missing):
            return unknown(merge)
        family, ladder = found
        try:
            access: AccessSet | Outline
            if merge.expert_reads is None:
                access = ladder.for_error(float(merge.max_error or 0))
            elif self._draft:
                access = ladder.outline(merge.expert_reads)
            else:
                access = ladder.at(merge.expert_reads)
        except BudgetTooSmall as error:
            raise RunError(
                f"FUSE302: the merge must read {error.needed} bytes of its adapters, the budget allows "
                f"{merge.expert_reads}",
                hint="raise `expert_reads`",
            ) from None
        complete = access.logical == ladder.total
        ways = merge.choices
        of_changes = all(way.method.of_changes for way in ways)
        told = access if isinstance(access, AccessSet) and not self._draft else None
        grams = any(way.method.budget == "gram" for way in ways)
        return PlannedReads(
            access=encode(told) if told else b"",
            hashes=_hashes(told.reads(), family) if told else b"",
            grams=_grams(told, family) if told and grams else b"",
            resting=all(rests(way.method, way.numbers) for way in ways) and (of_changes or not complete),
            digest=told.digest if told else "",
            physical=access.physical,
            logical=access.logical,
            full=family.expert_bytes,
            slack=access.slack,
            certificate=access.certificate,
        )

    def ladder(self, node: Node) -> Ladder | None:
        """What a merge reads for any budget; None while the catalog, or a part of the merge, is not there."""
        merge = merging(node, self._place)
        found = None if merge is None or merge.analysis == "sampled" else self._ladder(merge)
        return None if found is None or isinstance(found, Missing) else found[1]

    def divide(self, nodes: Sequence[Node], budget: int) -> Sequence[int] | UnknownBlocks | None:
        """Bytes for each of several merges that share a budget; None where none can keep to it, or where
        only the run could say."""
        merges = placed(nodes, self._place)
        found = None if merges is None else [(merge, self._ladder(merge)) for merge in merges]
        if not found:
            return None
        missing = [merge for merge, ladder in found if isinstance(ladder, Missing)]
        if missing:
            return unknown(*missing)
        try:
            return divide([ladder[1] for _, ladder in found if not isinstance(ladder, Missing)], budget)
        except BudgetTooSmall:
            return None

    def _ladder(self, merge: Merging) -> tuple[Family, Ladder] | Missing:
        key = replace(merge, expert_reads=None, max_error=None)
        if key not in self._ladders:
            experts = merge.experts
            family = family_columns(
                self._store, merge.base, experts, merge.analysis, keep=merge.keep, block=merge.block
            )
            if isinstance(family, Missing):
                return family
            method = _request_of(merge, family)
            precision = DIGITS[merge.dtype] if merge.dtype else min(map(DIGITS.__getitem__, family.dtypes()))
            norm = family.base_norm()
            self._ladders[key] = (
                family,
                plan_reads(family, Request(method, base_norm=norm, precision=precision)),
            )
        return self._ladders[key]


def placed(nodes: Sequence[Node], place: Place) -> list[Merging] | None:
    """Merges that may be planned before the run; None where one of them can not."""
    merges = [merging(node, place) for node in nodes]
    there = [merge for merge in merges if merge is not None and merge.analysis != "sampled"]
    return there if len(there) == len(merges) else None


def unknown(*merges: Merging) -> UnknownBlocks:
    """What to say where nothing at all is known of the models of merges: merges over one base ask at once."""
    families: dict[tuple[str, Any, int], Merging] = {}
    for merge in merges:
        key = merge.base.id, merge.analysis, merge.block
        known = families.get(key)
        if known is not None:
            new = [k for k, expert in enumerate(merge.experts) if expert not in known.experts]
            experts = (*known.experts, *(merge.experts[k] for k in new))
            merge = replace(known, experts=experts, names=(*known.names, *(merge.names[k] for k in new)))
        families[key] = merge
    each = [_unknown(merge) for merge in families.values()]
    return UnknownBlocks(
        tuple(dict.fromkeys(name for one in each for name in one.experts)),
        " && ".join(one.command for one in each),
        sum(one.bytes for one in each),
    )


def _unknown(merge: Merging) -> UnknownBlocks:
    folders = dict.fromkeys(e.path for e in merge.experts if not (e.path / "adapter_config.json").is_file())
    gram = " --gram" if merge.analysis == "gram" else ""
    block = "" if merge.block == BLOCK else f" --block {merge.block}"
    models = " ".join(map(_short, folders))
    command = f"fusec catalog analyze {models} --base {_short(merge.base.path)}{gram}{block}"
    size = sum(read_model_headers(one).bytes for one in (merge.base.path, *folders))
    return UnknownBlocks(merge.names, command, size)


def _short(path: Path) -> str:
    """A path as one would type it here, or the address of what lies elsewhere."""
    origin = origin_of(path)
    if origin is not None:
        return origin
    relative = os.path.relpath(path)
    return quote(min(str(path), relative, key=len))


def reads_of(planned: PlannedReads) -> dict[str, Reads]:
    """What the merge kernel is told to read, tensor by tensor."""
    access = decode(planned.access)
    hashes = np.frombuffer(planned.hashes, np.uint8).reshape(-1, 16)
    own, found, at = access.reads(), {}, 0
    size = access.experts + 1
    grams = np.frombuffer(planned.grams, np.float64).reshape(-1, size, size)
    for number, (name, sources) in enumerate(access.sources().items()):
        gram = grams[number] if len(grams) else None
        numbers = np.arange(len(sources), dtype=np.int32)[:, None]
        known = None
        if len(hashes):
            known = np.zeros((*sources.shape, 16), np.uint8)
            count = int(own[name].sum())
            known[own[name]] = hashes[at : at + count]
            at += count
        merged = sources >= 0
        zero = np.zeros_like(merged)
        found[name] = Reads(
            access.block, merged, zero, np.where(merged, sources, numbers), planned.resting, known, gram
        )
    return found


def exact_savings(store: ColumnsStore, merge: Merging) -> dict[str, Reads] | None:
    """What a full read may leave out without changing a bit; None where the catalog knows too little."""
    for tier in ("gram", "sketch"):
        family = family_columns(store, merge.base, merge.experts, tier, keep=merge.keep)
        if not isinstance(family, Missing):
            break
    else:
        return None
    found = {}
    for name, zero, owner in family.equal_blocks():
        hashes = family.hashes(name)
        resting = merge.choice(name).method.of_changes
        found[name] = Reads(family.block, ~zero, zero, owner, resting, hashes, family.total(name))
    return found


def _request_of(merge: Merging, family: Family) -> Additive | WholeBlocks:
    """How the change of a merge depends on the blocks that are read."""
    coefficients = _coefficients(merge, family)
    if all(way.method.budget != "blocks" for way in merge.choices):
        return Additive(coefficients)
    ones = np.ones(len(merge.weights))

    @cache
    def bound2_of(name: str) -> Bound2:
        way = merge.choice(name)
        if way.method.budget != "blocks":
            # Of a sum, what all experts together change is at most what they change one by one.
            return at_most("sum", np.abs(coefficients(name)).tolist())
        return at_most(*_bound(way))

    return WholeBlocks(lambda name: ones, lambda columns, c: bound2_of(columns.name)(columns, c))


def _bound(way: Choice) -> Bound:
    found = way.method.bound(way.numbers)
    if found is None:
        raise RunError(
            f"FUSE308: {way.method.name} has no bound with these weights, so nothing can be left out",
            hint="leave out `expert_reads`, or take weights of one sign",
        )
    return found


def _coefficients(merge: Merging, family: Family) -> Coefficients:
    """Of each tensor the c_i of `B + sum c_i D_i`: the method's own, or what it makes of inner products."""
    made: dict[Choice, Coefficients] = {}

    def of(name: str) -> F64:
        way = merge.choice(name)
        if way not in made:
            made[way] = _coefficients_of(way, family)
        return made[way](name)

    return of


def _coefficients_of(way: Choice, family: Family) -> Coefficients:
    stated = way.method.coefficients(way.numbers)
    if stated is not None:
        same = np.array(stated, np.float64)
        return lambda name: same
    method = Method(way.method.name, dict(way.method), way.method.kernel)
    operator = operator_of(method, list(way.numbers))
    assert isinstance(operator, OfTensors), f"{way.method.name} takes no budget"
    return lambda name: operator.coefficients(_gram(family, name))[1:]


def _gram(family: Family, name: str) -> NDArray[np.float64]:
    found = family.total(name)
    if found is None:
        raise RunError(
            f"the inner products over `{name}` are not known, as an adapter takes part",
            hint="merge without a budget, or take a method with coefficients of its own",
        )
    return found


def _grams(access: AccessSet, family: Family) -> bytes:
    return b"".join(_gram(family, tensor.name).tobytes() for tensor in access.tensors)


def _hashes(reads: Mapping[str, Flags], family: Family) -> bytes:
    """What every block that is read must hash to, in the order of tensors, experts and blocks."""
    parts = []
    for name, read in reads.items():
        hashes = family.hashes(name)
        if hashes is None:
            return b""
        parts.append(hashes[read].tobytes())
    return b"".join(parts)

"""What a merge reads, decided when it is about to run: by its plan, or by what is known by then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fusec.compiler.ir import Node
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.reads.planned import PlannedReads, UnknownBlocks
from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.sampled import sample
from fusec.runtime.kernel import Meter, RunError
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.reading import Merging, Place, ReadPlans, exact_savings, merging, reads_of
from fusec.runtime.recipes import Recipes, recipes_of, reusing


class Decided(NamedTuple):
    """What the kernel is told, tensor by tensor (None: read everything), and what is kept of it."""

    merge: Merging
    reads: Mapping[str, Reads] | None
    planned: PlannedReads | None
    recipes: Recipes | None


def decide_reads(
    node: Node,
    planned: PlannedReads | None,
    store: ColumnsStore,
    place: Place,
    results: Path,
    meter: Meter,
    threads: int,
) -> Decided:
    """What a merge whose inputs are all there reads.

    Results of steps (below `results`) are measured here when a budget needs it; `meter` counts that. Raises
    RunError for a source that nobody analysed.
    """
    merge = merging(node, place)
    assert merge is not None
    reads: Mapping[str, Reads] | None
    if not has_budget(node):
        reads, planned = exact_savings(store, merge), None
    else:
        planned = planned or _planned(merge, store, place, results, meter, threads)
        reads = reads_of(planned)
    recipes = None if reads is None else recipes_of(store, merge, reads)
    if reads is not None and recipes is not None:
        reads = reusing(store, results, merge, reads, recipes)
    return Decided(merge, reads, planned, recipes)


def _planned(
    merge: Merging, store: ColumnsStore, place: Place, results: Path, meter: Meter, threads: int
) -> PlannedReads:
    folders = dict.fromkeys(expert.path for expert in merge.experts)
    models = [folder for folder in folders if not (folder / "adapter_config.json").is_file()]
    if merge.analysis == "sampled":
        limit = merge.expert_reads
        sampling = sample(store, models, merge.base.path, keep=merge.keep, block=merge.block, at_most=limit)
        meter.analysis_bytes += sampling.read
        merge = merge.with_less(sampling.of_experts)
    plans = ReadPlans(store, place)
    found = plans.decide(merge)
    if isinstance(found, UnknownBlocks) and any(
        path.is_relative_to(results) for path in (merge.base.path, *models)
    ):
        gram = merge.analysis == "gram"
        made = analyse(
            store, models, merge.base.path, keep=merge.keep, gram=gram, block=merge.block, threads=threads
        )
        meter.analysis_bytes += made.bytes
        found = plans.decide(merge)
    if isinstance(found, UnknownBlocks):
        names = ", ".join(found.experts)
        raise RunError(
            f"FUSE309: the catalog of this store does not know the blocks of {names}", hint=found.command
        )
    return found

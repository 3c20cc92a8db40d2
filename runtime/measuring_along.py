"""Merges that leave an analysis behind: what they read anyway is measured for the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.while_reading import WhileReading
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.scan import Tap
from fusec.runtime.kernels.merge.together import Member, run_together
from fusec.runtime.reading_now import Decided


def merge_and_measure(
    store: ColumnsStore, decided: Decided, members: Sequence[Member]
) -> tuple[RunError | None, ...]:
    """`run_together`, after which the catalog knows base and experts as `analyse` would have found them.

    Where it knows them already, or the merges have a budget, nothing is measured; nor are adapters, which
    have no blocks. What has to be read besides (tensors that are kept or compared, a base without a share in
    the mean) counts as `analysis_bytes` of the first member. Raises RunError for experts that do not fit the
    base, and for models that change meanwhile.
    """
    tap = _tap_of(store, decided)
    errors = run_together(members, tap)
    if tap is not None and None in errors:
        first = members[0].ctx
        first.meter.analysis_bytes += tap.reading.finish(first.threads).bytes
    return errors


def _tap_of(store: ColumnsStore, decided: Decided) -> Tap | None:
    merge = decided.merge
    places: dict[Path, int] = {}
    for place, expert in enumerate(merge.experts):
        if not (expert.path / "adapter_config.json").is_file():
            places.setdefault(expert.path, place)
    if decided.reads is not None or not places:
        return None
    return Tap(WhileReading(store, merge.base.path, [*places], keep=merge.keep), tuple(places.values()))

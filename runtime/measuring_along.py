"""An analysis that goes along with a merge: what it reads anyway is measured for the catalog."""

from __future__ import annotations

from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.while_reading import WhileReading
from fusec.runtime.kernels.merge.scan import Tap
from fusec.runtime.reading_now import Decided


def tap_of(store: ColumnsStore, decided: Decided) -> Tap | None:
    """Measures base and experts of a merge that reads all of them.

    None where the catalog knows them, or the merge has a budget; adapters have nothing to measure. RunError
    for experts that do not fit the base.
    """
    merge = decided.merge
    places: dict[object, int] = {}
    for place, expert in enumerate(merge.experts):
        if not (expert.path / "adapter_config.json").is_file():
            places.setdefault(expert.path, place)
    if decided.reads is not None or not places:
        return None
    models = [merge.experts[place].path for place in places.values()]
    return Tap(WhileReading(store, merge.base.path, models, keep=merge.keep), tuple(places.values()))

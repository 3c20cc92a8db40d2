"""Where the outputs of a run go: decided, and refused, before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fusec.compiler.ir import Graph, Output
from fusec.lang.types import kind_of
from fusec.runtime.kernel import RunError
from fusec.runtime.publish import require_replaceable
from fusec.runtime.store import Store


def destination(to: str, base: Path) -> Path:
    """The place that an output names; relative ones start at `base`."""
    try:
        return Path(os.path.realpath(base / Path(to).expanduser()))
    except RuntimeError as error:  # a `~` that is nobody's
        raise RunError(f"an output cannot go to {to}: {error}") from error


def destinations(graph: Graph, base: Path, store: Store) -> Mapping[Output, Path]:
    """The place of every output of a graph.

    Raises `RunError` for two outputs that would overwrite each other, for a place that would damage the
    store or a user's own data, and for a form that the place cannot have.
    """
    home = Path(os.path.realpath(store.root))
    places: dict[Output, Path] = {}
    for goal in graph.goals:
        if not isinstance(goal, Output):
            continue
        place = destination(goal.to, base)
        if _overlap(place, home):
            raise RunError(
                f"the output {goal.to} would lie in the store {store.root} or replace it",
                hint="let the output go to another place",
            )
        for other, taken in places.items():
            if _overlap(place, taken):
                raise RunError(
                    f"the outputs {other.to} of `{str(other.of)[1:]}` and {goal.to} of `{str(goal.of)[1:]}` "
                    "would overwrite each other",
                    hint="give every output a place of its own, none inside another",
                )
        kind = kind_of(graph.nodes[goal.of.node].type)
        require_replaceable("data" if kind == "map" else kind, place, store.catalog)
        places[goal] = place
    return places


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)

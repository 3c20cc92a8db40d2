"""How many layers a model has, from its configuration on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from fusec.cli.mergekit.references import Folders, Reference


def count_layers(model: Reference, folders: Folders) -> int | None:
    """`num_hidden_layers` of a local or cached model; None where nothing here tells it."""
    folder = _cached(model.uri) if model.uri.startswith("hf:") else folders.spec / model.uri
    try:
        config = json.loads((folder / "config.json").read_text("utf-8")) if folder else {}
    except (OSError, ValueError):
        return None
    count = config.get("num_hidden_layers") if isinstance(config, dict) else None
    return count if isinstance(count, int) else None


def _cached(uri: str) -> Path | None:
    from fusec.runtime.sources.hub import parse_address, snapshot
    from fusec.runtime.sources.problems import Unusable

    try:
        return snapshot(parse_address(uri), "model", ("config.json",), download=False)
    except Unusable:
        return None

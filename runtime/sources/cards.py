"""Front matter of model and dataset cards: licence, ancestor, dataset configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fusec.runtime.sources.locate import CARD
from fusec.runtime.sources.reads import read_header_file


def read_card(root: Path) -> dict[str, Any]:
    """The YAML head of `README.md`; empty where there is none or it is not a mapping.

    A card is a note by its author, so a broken one is no reason to refuse the source.
    """
    path = root / CARD
    if not path.is_file():
        return {}
    text = read_header_file(path).decode("utf-8", errors="replace")
    if not text.startswith("---\n"):
        return {}
    import yaml

    try:
        head = yaml.safe_load(text[4:].partition("\n---")[0])
    except yaml.YAMLError:
        return {}
    return head if isinstance(head, dict) else {}


def first_text(card: dict[str, Any], key: str) -> str | None:
    """A card value that is a text or a list of texts."""
    value = card.get(key)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None

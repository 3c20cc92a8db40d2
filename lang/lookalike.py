"""Letters and marks outside ASCII that look like ASCII ones, as editors and chat windows leave them."""

from __future__ import annotations

import unicodedata

_CYRILLIC = str.maketrans("АВЕЅІЈКМНОРСТХУасеіјорѕхуԛԝһ", "ABESIJKMHOPCTXYaceijopsxyqwh")
_GREEK = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo")
_MARKS = {
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "‘": "'", "’": "'",
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "×": "*", "÷": "/",
    "≤": "<=", "≥": ">=", "≠": "!=", "。": ".", "、": ",", "【": "[", "】": "]", "⟦": "[", "⟧": "]",
}  # fmt: skip


def ascii_like(text: str) -> str | None:
    """The ASCII text that `text` looks like: a space for any kind of space, None for nothing at all."""
    if text in _MARKS:
        return _MARKS[text]
    plain = unicodedata.normalize("NFKC", text).translate(_CYRILLIC).translate(_GREEK)
    if plain.isspace():
        return " "
    return plain if plain.isascii() and plain.isprintable() and plain else None

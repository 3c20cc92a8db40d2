"""What each function of rows gives, for the reference; its types are rules in `rowexpr.py`."""

from __future__ import annotations

import msgspec


class About(msgspec.Struct, frozen=True):
    """How a function is called, what comes out, and an expression that uses it over `.text` or `.quality`."""

    call: str
    gives: str
    example: str


FUNCTION_DOCS = {
    "len": About("len(x)", "the characters of a text, the items of a list", "len(.text)"),
    "lower": About("lower(text)", "the text in lower case", "lower(.text)"),
    "upper": About("upper(text)", "the text in upper case", "upper(.text)"),
    "strip": About("strip(text)", "the text without white space at its ends", "strip(.text)"),
    "has": About("has(.column)", "whether the row has a value there", "has(.text) and len(.text) > 3"),
    "matches": About(
        "matches(text, pattern)",
        "whether a regular expression is found anywhere in the text",
        'matches(.text, "[0-9]+")',
    ),
    "parses": About(
        'parses(text, as_language: "python")',
        "whether the text is a whole program or document of `python` or `json`",
        'parses(.text, as_language: "json")',
    ),
    "tokens": About(
        "tokens(text, by: tokenizer)",
        "the number of tokens of the text, by a tokenizer",
        "tokens(.text, by: words) < 512",
    ),
    "language": About(
        "language(text)", "the ISO 639-1 code of the language it is written in", 'language(.text) == "en"'
    ),
    "contains": About("contains(text, part)", "whether the part is in the text", 'contains(.text, "def ")'),
    "starts_with": About(
        "starts_with(text, part)", "whether the text begins with the part", 'starts_with(.text, "#")'
    ),
    "replace": About(
        "replace(text, part, by)", "the text with every part replaced", 'replace(.text, "\\t", "    ")'
    ),
}
"""By name; a test holds the keys against `rowexpr.FUNCTIONS`."""

"""Examples of the reference: fenced `fuse` blocks, whole or with a few lines in front that they share."""

from __future__ import annotations

import re

PREAMBLE = """\
edition 2026

param seed = 7

model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
model code from "fixture:llama-a-code"

data text from "fixture:text"
data pairs from "fixture:pairs"
tokenizer words from "fixture:llama-a"

"""
"""What stands in front of an example that does not begin with `edition`."""

_BLOCK = re.compile(r"^```fuse\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples(page: str) -> list[str]:
    """Every example of a page as a whole spec."""
    return [text if text.startswith("edition") else PREAMBLE + text for text in _BLOCK.findall(page)]

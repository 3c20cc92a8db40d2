"""Functions of rows that Arrow does not have."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fusec.runtime.kernel import Artifact, RunError


def matches(texts: list[str], pattern: str) -> list[bool]:
    """Whether the pattern is found anywhere in each text."""
    search = re.compile(pattern).search
    return [search(text) is not None for text in texts]


def parses(texts: list[str], language: str) -> list[bool]:
    """Whether each text is a whole program or document of the language."""
    return [PARSERS[language](text) for text in texts]


def tokens(texts: list[str], tokenizer: Artifact) -> list[int]:
    """The number of tokens of each text, without special ones that a model would want around it."""
    encode = _tokenizer(tokenizer.path).encode_batch
    return [len(encoding.ids) for encoding in encode(texts, add_special_tokens=False)]


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


PARSERS: dict[str, Callable[[str], bool]] = {"python": _is_python, "json": _is_json}


@lru_cache(maxsize=4)
def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise RunError(
            f"{folder} has no tokenizer.json",
            hint="load it with AutoTokenizer and save it: that writes the file",
        )
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def in_lists(values: pa.Array, lists: pa.ListArray) -> pa.Array:
    """Whether each value is a member of the list beside it."""
    pairs = zip(values.to_pylist(), lists.to_pylist(), strict=True)
    return pa.array([value in members for value, members in pairs], pa.bool_())


def has_inside(holder: pa.Array, key: str | int) -> pa.Array:
    """Whether each row or list holds a value under the key; False where the holder itself is missing."""
    if isinstance(key, str):
        return pc.and_(pc.is_valid(holder), pc.is_valid(pc.struct_field(holder, key)))
    full = [items is not None and -len(items) <= key < len(items) for items in holder.to_pylist()]
    filled = [ok and items[key] is not None for ok, items in zip(full, holder.to_pylist(), strict=True)]
    return pa.array(filled, pa.bool_())


def item_places(lists: pa.ListArray, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Where item `at` of each list lies in `lists.values`, and which lists are too short for it."""
    offsets = lists.offsets.to_numpy()
    starts, ends = offsets[:-1], offsets[1:]
    places = starts + at if at >= 0 else ends + at
    return places, (places < starts) | (places >= ends)

"""Pins: what a source is, in one hash that knows neither paths nor times.

Before content was read a pin covers what headers tell; afterwards it covers every byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from fusec.compiler.facts import FilePin, Scalar, TensorFact
from fusec.runtime.sources.locate import SourceFile
from fusec.runtime.sources.reads import read_header_file

SMALL_FILES = (".json", ".txt", ".jinja")
"""Configuration and tokenizer files, read for the facts anyway: they count by content from the start."""


def header_pin(files: Iterable[SourceFile], tensors: Iterable[TensorFact] = ()) -> str:
    """A model or tokenizer by names, sizes, tensor headers, and the content of its small files."""
    parts = [
        (f.name, f.size, sha256(read_header_file(f.path)).hexdigest() if f.path.suffix in SMALL_FILES else "")
        for f in files
    ]
    return _digest(["headers", parts, list(tensors)])


def content_pin(files: Iterable[FilePin]) -> str:
    """A model or tokenizer by the names and bytes of its files."""
    return _digest(["content", list(files)])


def rows_pin(
    files: Iterable[FilePin], format: str, options: tuple[tuple[str, Scalar], ...], columns: Any
) -> str:
    """Data by the bytes of its files in reading order and by how they are read; names do not count."""
    return _digest(["rows", [(f.size, f.sha256) for f in files], format, options, columns])


def _digest(value: Any) -> str:
    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()

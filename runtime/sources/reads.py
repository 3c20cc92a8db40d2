"""Counts what sources read, so that "no payload for `check`" is a number and not a promise.

Headers are configurations, tokenizer files, safetensors headers, parquet footers, and the first block of
a text file that shows its schema. Payload is everything else: tensors and rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

Digest = Callable[[Path], str]
"""A file's SHA-256 as 64 hex digits; a store may pass one that remembers."""

CHUNK = 1 << 20


@dataclass
class Reads:
    """Bytes read by this process through `runtime.sources`."""

    headers: int = 0
    payload: int = 0


READS = Reads()


def file_sha256(path: Path) -> str:
    """Reads the whole file once, in blocks."""
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(CHUNK):
            digest.update(block)
            READS.payload += len(block)
    return digest.hexdigest()


def read_header_file(path: Path) -> bytes:
    """A configuration or tokenizer file, counted as header."""
    content = path.read_bytes()
    READS.headers += len(content)
    return content

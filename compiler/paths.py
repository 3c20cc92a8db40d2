"""Paths that some file systems take for one."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from fusec.lang.codes.fuse506_only_by_case import OnlyByCase
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span


def only_by_case(places: Iterable[tuple[str, Span]]) -> Iterator[Diagnostic]:
    """One FUSE506 for each path that differs from an earlier one by upper and lower case alone."""
    known: dict[str, tuple[str, Span]] = {}
    for path, at in places:
        plain = posixpath.normpath(path)
        other, other_at = known.setdefault(plain.casefold(), (path, at))
        if posixpath.normpath(other) != plain:
            yield OnlyByCase(at, path, other_at, other)


def is_local(uri: str) -> bool:
    """Whether an address is a path: no scheme, or that of files."""
    return uri.startswith("file:") or ":" not in uri.split("/", 1)[0]

"""Opening a store that is there; a command that only looks never makes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fusec.runtime.kernel import RunError
from fusec.runtime.store import Store

DEFAULT = Path(".fusec")


@contextmanager
def open_store(path: Path | None) -> Iterator[Store]:
    """The store at `path`, `.fusec` in the current folder by default; a `RunError` when there is none."""
    root = path or DEFAULT
    if not (root / "objects").is_dir():
        raise RunError(
            f"there is no store at {root}", hint="name it with --store: it lies beside the spec as `.fusec`"
        )
    store = Store(root)
    try:
        yield store
    finally:
        store.close()

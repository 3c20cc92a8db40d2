"""What `fusec catalog` does and says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from fusec.cli import terminal
from fusec.cli.amounts import size_text, time_text
from fusec.cli.columns import columns, shortened
from fusec.cli.opening import DEFAULT, open_store
from fusec.compiler.facts import ModelFacts, SourceProblem, SourceRequest
from fusec.compiler.reads.grid import BLOCK
from fusec.runtime.analysis.analyse import Analysis, analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.report import ModelReport, TensorRow, report
from fusec.runtime.analysis.sampled import sample
from fusec.runtime.kernel import RunError
from fusec.runtime.sources.inspect import inspect
from fusec.runtime.sources.locate import is_remote, locate
from fusec.runtime.sources.opening import open_model
from fusec.runtime.sources.pinning import pin
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.store import Store

_SECONDS_BETWEEN_LINES = 10.0
_NAME = 48


class Wanted(NamedTuple):
    """What to measure, as it was asked for on the command line."""

    models: tuple[str, ...]
    base: str | None
    keep: tuple[str, ...]
    block: int | None
    threads: int | None
    store: Path | None


def analyse_models(wanted: Wanted, gram: bool, *, as_json: bool) -> int:
    models = [_folder(model, wanted.store) for model in wanted.models]
    base = _folder(wanted.base, wanted.store) if wanted.base else None
    started = time.monotonic()
    with _columns(wanted.store) as store:
        made = analyse(
            store,
            models,
            base,
            keep=wanted.keep,
            gram=gram,
            block=BLOCK if wanted.block is None else wanted.block,
            threads=wanted.threads or os.cpu_count() or 1,
            progress=_Progress(quiet=as_json),
        )
    names = [*([wanted.base] if wanted.base else []), *wanted.models]
    if as_json:
        _print(_analysis_fields(names, made))
        return 0
    rows = [("model", "content", "tensors", "size", "not finite")]
    for name, model in zip(names, made.models, strict=True):
        bad = ", ".join(f"{count} in {tensor}" for tensor, count in model.nonfinite.items()) or "-"
        rows.append((name, model.root[:12], str(model.tensors), size_text(model.bytes), bad))
    click.echo(columns(rows, right=(2, 3)))
    took = time.monotonic() - started
    terminal.note(f"{size_text(made.bytes)} read in {time_text(took)}")
    return 0


def sample_models(wanted: Wanted, *, as_json: bool) -> int:
    assert wanted.base
    models = [_folder(model, wanted.store) for model in wanted.models]
    base = _folder(wanted.base, wanted.store)
    with _columns(wanted.store) as store:
        block = BLOCK if wanted.block is None else wanted.block
        made = sample(store, models, base, keep=wanted.keep, block=block)
    if as_json:
        _print({"bytes_read": made.read, "bytes": made.of})
    else:
        click.echo(f"  {size_text(made.read)} of {size_text(made.of)} read; the norms are estimates")
    return 0


def show_model(model: str, base: str | None, path: Path | None, *, as_json: bool) -> int:
    with open_store(path) as opened:
        store = ColumnsStore(opened.catalog)
        found = report(store, _root(store, model, path), base and _root(store, base, path))
        folders = store.folders_of(found.base) if found.base else ()
    if as_json:
        _print(_report_fields(found))
        return 0
    against = f", against {folders[0]}" if folders else ""
    click.echo(f"  {model}: content {found.root[:12]}{against}; blocks of {found.block} elements")
    heads = ("tensor", "dtype", "blocks", "not finite", "norm", "equal to base", "change", "largest")
    compared = len(heads) if found.base else 5
    rows = [heads[:compared], *(_cells(row)[:compared] for row in found.tensors)]
    click.echo(columns(rows, right=range(2, compared)))
    return 0


def clear_catalog(path: Path | None, *, as_json: bool) -> int:
    with open_store(path) as opened:
        cleared = ColumnsStore(opened.catalog).clear()
    if as_json:
        _print({"sets": cleared.sets, "bytes": cleared.bytes})
    else:
        sets = "1 set" if cleared.sets == 1 else f"{cleared.sets} sets"
        click.echo(f"  {sets} of columns dropped, {size_text(cleared.bytes)}")
    return 0


# --- models and stores ------------------------------------------------------------------------------------


def _folder(address: str, store: Path | None) -> Path:
    """The folder of a model: a path, or an address as specs have it. No weights are downloaded."""
    path, here = Path(address).expanduser(), Path.cwd()
    if path.is_dir():
        return path
    request = SourceRequest("model", address)
    try:
        if not is_remote(request):
            return locate(request, here).root
    except Unusable as unusable:
        raise RunError(unusable.problem.what, hint=unusable.problem.hint) from unusable
    facts = inspect(request, base=here)
    if not isinstance(facts, SourceProblem):
        facts = pin(request, facts, base=here)
    if isinstance(facts, SourceProblem):
        raise RunError(facts.what, hint=facts.hint)
    assert isinstance(facts, ModelFacts)
    return open_model(request, facts, base=here, cache=(store or DEFAULT) / "remote", whole=False)


def _root(store: ColumnsStore, address: str, path: Path | None) -> str:
    root = store.root_of(_folder(address, path))
    if root is None:
        raise RunError(
            f"{address} was not analysed, or changed since", hint=f"`fusec catalog analyze {address}` does it"
        )
    return root


@contextmanager
def _columns(path: Path | None) -> Iterator[ColumnsStore]:
    """The columns of a store, which is made if it is new."""
    store = Store(path or DEFAULT)
    try:
        yield ColumnsStore(store.catalog)
    finally:
        store.close()


class _Progress:
    """A line about bytes read, now and then; on a terminal always the same one."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._live = quiet, terminal.interactive(sys.stderr)
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._quiet or now - self._said < (0.2 if self._live else _SECONDS_BETWEEN_LINES):
            return
        self._said = now
        line = f"  {done * 100 // max(1, total):3d} %  {size_text(done)} of {size_text(total)}"
        if self._live:
            print(f"\r\x1b[K{line}", end="\r" if done == total else "", file=sys.stderr, flush=True)
        else:
            terminal.note(line)


# --- what is printed --------------------------------------------------------------------------------------


def _cells(row: TensorRow) -> tuple[str, ...]:
    equal = "-" if row.equal is None else f"{row.equal} of {row.blocks}"
    change = "-" if row.change is None else f"{row.change:.4g}"
    largest = "-" if row.largest_change is None else f"{row.largest_change:.3g}"
    bad = str(row.nonfinite) if row.nonfinite else "-"
    name = shortened(row.name, _NAME)
    return (name, row.dtype, str(row.blocks), bad, f"{row.norm:.4g}", equal, change, largest)


def _analysis_fields(names: list[str], made: Analysis) -> dict[str, Any]:
    models = [
        {
            "model": name,
            "root": model.root,
            "tensors": model.tensors,
            "bytes": model.bytes,
            "nonfinite": model.nonfinite,
        }
        for name, model in zip(names, made.models, strict=True)
    ]
    return {"models": models, "bytes_read": made.bytes}


def _report_fields(found: ModelReport) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(found)
    return fields


def _print(answer: Any) -> None:
    click.echo(msgspec.json.encode(answer).decode())

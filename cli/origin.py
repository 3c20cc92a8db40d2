"""`fusec show --origin`: which blocks of a merged tensor come from which experts."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
import msgspec

from fusec.cli.accounts import accounts_of_run, names_in
from fusec.cli.columns import columns
from fusec.compiler.plan import Plan
from fusec.compiler.reads.account import Run, experts_in_order
from fusec.runtime.kernel import RunError
from fusec.runtime.manifest import Manifest, NodeRecord
from fusec.runtime.session import read_plan
from fusec.runtime.sources.safetensors_header import read_model_headers


def show_origin(path: Path, manifest: Manifest, tensor: str, *, as_json: bool) -> int:
    """Prints the origin of the tensor in every merge of the run that holds one of this name."""
    beside = path.with_name("plan")
    plan = read_plan(beside) if beside.is_file() else None
    objects = path.resolve().parents[2] / "objects"
    found = _origins(manifest, plan, tensor, objects)
    if not found:
        raise RunError(
            f"no merge of run {manifest.run} holds a tensor `{tensor}`",
            hint="the names are those in the files of the result",
        )
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return 0
    for merge in found:
        size = f", blocks of {merge['block']} elements" if merge["block"] else ""
        click.echo(f"  {merge['merge']}: {tensor}{size}")
        click.echo(columns(_lines(merge["runs"]), indent=4))
    return 0


def _origins(manifest: Manifest, plan: Plan | None, tensor: str, objects: Path) -> list[dict[str, Any]]:
    """The objects of `--json`; `block` is null where a tensor was merged as one piece."""
    accounts = accounts_of_run(manifest, plan)
    names = names_in(manifest, plan)
    found = []
    for node in manifest.nodes:
        if node.verb != "merge":
            continue
        account, block = accounts.get(node.name), None
        runs: tuple[Run, ...]
        if account is not None and tensor in account.sources:
            runs, block = account.origin(tensor), account.access.block
        elif tensor in _tensors(node, objects):
            experts = tuple(expert.name for expert in experts_in_order(node.slots["experts"], names))
            kept = account is not None or any(
                fnmatchcase(tensor, pattern) for pattern in node.slots["keep"][1:]
            )
            runs = (Run(0, 0, () if kept else experts),)
        else:
            continue
        found.append(
            {"merge": node.name, "tensor": tensor, "block": block, "runs": [r._asdict() for r in runs]}
        )
    return found


def _tensors(node: NodeRecord, objects: Path) -> set[str]:
    """The names of tensors of a result; none where the store no longer has it."""
    folder = objects / node.kind / node.id
    return set(read_model_headers(folder).tensors) if folder.is_dir() else set()


def _lines(runs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    lines = []
    for run in runs:
        blocks = f"{run['first']}-{run['last']}" if run["last"] > run["first"] else str(run["first"])
        lines.append((blocks, ", ".join(run["experts"]) or "base"))
    return lines

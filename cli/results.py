"""What a run came to: scores, checks, outputs, and how to have it again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from fusec.cli import terminal
from fusec.cli.amounts import time_text
from fusec.cli.columns import columns
from fusec.lang.units import grouped
from fusec.runtime.manifest import CheckRecord, Manifest, NodeRecord


def results_text(manifest: Manifest, path: Path, store: Path) -> str:
    """Blocks for people: the table of scores, checks, outputs, and where the record is."""
    blocks = [
        scores_text(manifest, store),
        checks_text(manifest.checks),
        _outputs(manifest),
        _record(manifest, path),
    ]
    return "\n\n".join(block for block in blocks if block)


def results_json(manifest: Manifest, path: Path) -> dict[str, Any]:
    """The object that `run --json` prints."""
    io = {
        amount: int(sum(node.actual.get(amount, 0.0) for node in manifest.nodes))
        for amount in ("bytes_read", "bytes_written", "expert_bytes")
    }
    return {
        "run": manifest.run,
        "manifest": str(path),
        "outputs": {output.name: output.to for output in manifest.outputs},
        "checks": {check.name: {"passed": check.passed, "values": check.values} for check in manifest.checks},
        "gate": manifest.gate,
        "grade": manifest.grade,
        "semantic_digest": manifest.semantic_digest,
        "computed": sum(node.state == "computed" for node in manifest.nodes),
        "reused": sum(node.state == "reused" for node in manifest.nodes),
        "seconds": manifest.seconds,
        "budgets": [msgspec.structs.asdict(limit) for limit in manifest.limits],
        "io": io,
    }


# --- scores -------------------------------------------------------------------------------


def scores_text(manifest: Manifest, store: Path) -> str:
    """Loss per data set for every evaluation of the run, with the average and its perplexity."""
    found = {
        node.name: scores
        for node in manifest.nodes
        if node.verb == "evaluate" and (scores := report_of(node, store))
    }
    if not found:
        return ""
    keys = list(dict.fromkeys(key for scores in found.values() for key in scores if key != "average"))
    rows: list[tuple[str, ...]] = [("loss", *keys, "average", "perplexity")]
    for name, scores in found.items():
        average = scores["average"]
        losses = (f"{scores[key]['loss']:.4f}" if key in scores else "-" for key in keys)
        rows.append((name, *losses, f"{average['loss']:.4f}", grouped(float(average["perplexity"]))))
    return columns(rows, right=range(1, len(rows[0])))


def report_of(node: NodeRecord, store: Path) -> dict[str, dict[str, float]]:
    """The groups of scores in a stored report; none when the store no longer has it."""
    path = store / "objects" / node.kind / node.id / "report.json"
    if not path.is_file():
        return {}
    report: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return {key: group for key, group in report.items() if isinstance(group, dict) and "loss" in group}


# --- checks, outputs, record ----------------------------------------------------------------


def checks_text(checks: tuple[CheckRecord, ...]) -> str:
    """One line a check: the verdict, the condition, and the numbers it was decided on."""
    lines = []
    for check in checks:
        lines.append(f"  {terminal.verdict(check.passed, sys.stdout)} {check.name}")
        if check.values:
            lines.append("      " + ", ".join(f"{name} {value:.6g}" for name, value in check.values.items()))
    return "\n".join(lines)


def _outputs(manifest: Manifest) -> str:
    if manifest.gate == "closed":
        return "  nothing was published: a check closed the gate (`--no-gate` publishes all the same)"
    return columns([("output", output.name, f"-> {output.to}") for output in manifest.outputs])


def _record(manifest: Manifest, path: Path) -> str:
    computed = sum(node.state == "computed" for node in manifest.nodes)
    reused = len(manifest.nodes) - computed
    done = f"{computed} computed, {reused} reused" if computed else "everything reused"
    return columns(
        [
            ("run", f"{manifest.run}: {done}, {time_text(manifest.seconds)}"),
            ("manifest", str(path)),
            ("digest", manifest.semantic_digest),
            ("replay", f"fusec replay {path}"),
        ]
    )


def shown_path(path: Path) -> Path:
    """The path from the current folder where that is shorter to read, else as it is."""
    relative = Path(os.path.relpath(path))
    return path if relative.parts[:1] == ("..",) and len(relative.parts) > 4 else relative

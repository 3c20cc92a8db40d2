"""A finished run as people read it: every step, what was estimated and what it took."""

from __future__ import annotations

from fusec.cli.amounts import size_text, time_text
from fusec.cli.columns import columns
from fusec.runtime.manifest import Manifest, NodeRecord

HEADS = ("node", "verb", "state", "grade", "time", "estimate", "read", "estimate", "peak memory")


def run_text(manifest: Manifest) -> str:
    """The steps and the environment; amounts are `-` where a result was reused."""
    rows = [HEADS, *(_row(node) for node in manifest.nodes)]
    place = manifest.environment
    about = [
        ("gate", manifest.gate),
        ("grade", manifest.grade),
        ("params", ", ".join(f"{name} = {value}" for name, value in manifest.params.items()) or "none"),
        (
            "where",
            f"{place.system} {place.machine}, {place.device}, {place.threads} threads, Python {place.python}",
        ),
        ("with", ", ".join(f"{name} {version}" for name, version in place.libraries.items())),
    ]
    if manifest.packages:
        about.append(("packages", ", ".join(pin.short for pin in manifest.packages)))
    return columns(rows, right=(4, 5, 6, 7, 8)) + "\n\n" + columns(about)


def _row(node: NodeRecord) -> tuple[str, ...]:
    actual = node.actual
    took = time_text(actual["seconds"]) if "seconds" in actual else "-"
    read = size_text(actual["bytes_read"]) if "bytes_read" in actual else "-"
    peak = size_text(actual["peak_memory"]) if "peak_memory" in actual else "-"
    seconds, reads = _likely(node, "seconds"), _likely(node, "reads")
    return (
        node.name,
        node.verb,
        node.state,
        node.grade,
        took,
        "-" if seconds is None else time_text(seconds),
        read,
        "-" if reads is None else size_text(reads),
        peak,
    )


def _likely(node: NodeRecord, amount: str) -> float | None:
    found = node.estimate.get(amount)
    likely = found[1] if isinstance(found, tuple) else found
    return likely or None

"""What `fusec doctor` says."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from fusec.cli import terminal
from fusec.cli.amounts import size_text
from fusec.cli.columns import columns
from fusec.cli.opening import DEFAULT, open_store
from fusec.compiler.cost import Range
from fusec.compiler.measured import Probe
from fusec.runtime.catalog import read_estimates
from fusec.runtime.cost_errors import VerbErrors, errors_by_verb
from fusec.runtime.health import Health, health

_HEADS = ("verb", "steps", "error", "worst", "taken/planned", "within range", "bytes read")
_ALL = 1_000_000


def show_health(store: Path | None, *, measure: bool, as_json: bool) -> int:
    """Prints what is there; with `measure` probes first, which makes the store if it is new."""
    path = store or DEFAULT
    if measure:
        _measure(path)
    found = health(path)
    click.echo(msgspec.json.encode(found).decode() if as_json else health_text(found))
    return 0


def _measure(path: Path) -> None:
    from fusec.runtime.probe import probe
    from fusec.runtime.probe_file import write_probe
    from fusec.runtime.store import Store

    Store(path).close()
    terminal.note(f"measuring the disk of {path} and this machine")
    write_probe(path, probe(path))


def health_text(found: Health) -> str:
    """Versions, devices, store, speeds; then what is missing, a sentence a line."""
    lines = [("fusec", f"{found.fusec}, Python {found.python}")]
    libraries = [f"{name} {version}" for name, version in found.libraries.items()]
    for at in range(0, len(libraries), 3):
        lines.append(("with" if at == 0 else "", ", ".join(libraries[at : at + 3])))
    for at, device in enumerate(found.devices):
        memory = f", {size_text(device.memory)} of memory" if device.memory is not None else ""
        lines.append(("devices" if at == 0 else "", device.name + memory))
    if found.store is not None:
        store = found.store
        about = f"{store.results} results, {store.runs} runs, {size_text(store.free)} free on its disk"
        lines.append(("store", f"{store.path}: {about}"))
        lines.append(("learned", f"from {store.steps} earlier steps; `fusec doctor costs` shows how well"))
    if found.probe is not None:
        lines += _speeds(found.probe)
    lines += [("missing" if at == 0 else "", text) for at, text in enumerate(found.missing)]
    return columns(lines)


def _speeds(probe: Probe) -> list[tuple[str, str]]:
    one, all_ = (f"{flops.likely / 1e9:.0f}" for flops in probe.flops)
    speeds = (
        f"reads {_rate(probe.read)}, writes {_rate(probe.write)}",
        f"decodes weights at {_rate(probe.decode)} a thread",
        f"{one} GFLOP/s with 1 thread, {all_} with {probe.threads}",
    )
    return [(f"probed {probe.date}" if at == 0 else "", text) for at, text in enumerate(speeds)]


def _rate(speed: Range) -> str:
    return f"{size_text(speed.likely)}/s"


def show_costs(store: Path | None, *, as_json: bool) -> int:
    """Prints the errors of the plans whose runs lie in a store."""
    with open_store(store) as opened:
        found = errors_by_verb(read_estimates(opened.catalog.path, _ALL))
    if as_json:
        click.echo(msgspec.json.encode([each._asdict() for each in found]).decode())
    else:
        click.echo(costs_text(found))
    return 0


def costs_text(found: tuple[VerbErrors, ...]) -> str:
    """A line per verb."""
    if not found:
        return "  no step was computed with this store yet"
    rows = [
        (
            each.verb,
            str(each.steps),
            _percent(each.error),
            _percent(each.worst),
            f"{each.ratio:.2f}",
            f"{each.inside:.0%}",
            "-" if each.bytes_error is None else _percent(each.bytes_error),
        )
        for each in found
    ]
    return columns([_HEADS, *rows], right=range(1, len(_HEADS)))


def _percent(error: float) -> str:
    """`12 %`; a factor where per cent say little."""
    return f"{error * 100:.0f} %" if error < 10 else f"x{error + 1:.0f}"

"""The README of a model folder: where the model comes from, step by step, and what it scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True, kw_only=True)
class CardStep:
    """One line of the lineage, in the words of the spec: `merged = merge { method: ties(...) }`."""

    name: str
    verb: str
    method: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[str] = ()


def write_card(
    out: Path,
    *,
    name: str,
    lineage: Sequence[CardStep],
    base_model: Sequence[str] = (),
    license: str | None = None,
    licences: Mapping[str, str] | None = None,
    metrics: Mapping[str, Mapping[str, float]] | None = None,
    delta: bool = False,
) -> None:
    """Write `out/README.md`: YAML front matter for the Hub, lineage, results.

    `base_model` are Hub names, `metrics` the entries of a report, each with the same measures. The same
    arguments give the same bytes. `license` is the model's own, `licences` those of its sources, "" where one
    is not stated. A `delta` is no model, and its card says how to use it.
    """
    env = Environment(
        loader=PackageLoader("fusec.runtime"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown and YAML, not HTML
    )
    env.filters.update(yaml=_yaml, cell=_cell, number=_number)
    measures = list(next(iter(metrics.values()))) if metrics else []
    text = env.get_template("model_card.md.jinja").render(
        name=name,
        lineage=lineage,
        base_model=base_model,
        license=license,
        licences=licences if licences and any(licences.values()) else {},
        metrics=metrics or {},
        measures=measures,
        delta=delta,
        merged=not delta and any(step.verb == "merge" for step in lineage),
    )
    (out / "README.md").write_text(text, encoding="utf-8", newline="\n")


def _yaml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a YAML scalar


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"

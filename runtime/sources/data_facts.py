"""The facts of a data source: which files, which format, which columns."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from fusec.compiler.facts import DATA_OPTIONS, DataFacts, FilePin, SourceRequest
from fusec.runtime.sources import csv_rows, jsonl_rows, parquet_rows, text_rows
from fusec.runtime.sources.cards import first_text, read_card
from fusec.runtime.sources.fingerprints import rows_pin
from fusec.runtime.sources.locate import Located, SourceFile
from fusec.runtime.sources.problems import Unusable

READERS: dict[str, ModuleType] = {
    "text": text_rows,
    "python_strings": text_rows,
    "jsonl": jsonl_rows,
    "csv": csv_rows,
    "parquet": parquet_rows,
}
"""Each reader has `peek` (columns, and rows where headers tell), `scan` (both, all read) and `read`."""

FORMAT_OF = {
    ".txt": "text",
    ".md": "text",
    ".rst": "text",
    ".py": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}


def data_facts(request: SourceRequest, located: Located) -> DataFacts:
    """Reads headers only; raises `Unusable` where files cannot be read as rows."""
    options = dict(request.options)
    _check_options(options)
    files, card = located.files, {}
    if request.uri.startswith("hf:"):
        card = read_card(located.root)
        files = _configured(request, files, card, located.config)
    if "split" in options and not _declared(card):
        files = _of_split(request, files, str(options["split"]))
    format = str(options.get("format") or _format(request, files))
    _check_meaning(options, format)
    reading = {**options, "format": format}
    columns, rows = READERS[format].peek(files, reading)
    pins = tuple(FilePin(file.name, file.size) for file in files)
    return DataFacts(
        uri=request.uri,
        pin=rows_pin(pins, format, request.options, columns),
        pinned_by_content=False,
        files=pins,
        format=format,
        columns=columns,
        rows=rows,
        bytes=sum(file.size for file in files),
        licence=located.licence or first_text(card, "license"),
        revision=located.revision,
    )


OPTIONS_OF = {"text": ("sample_by",), "python_strings": ("min_chars",), "csv": ("delimiter", "escape")}
"""Options beside `format` and `split`, which all have."""


def _check_options(options: dict[str, Any]) -> None:
    for name, value in options.items():
        allowed = DATA_OPTIONS.get(name)
        if allowed is None:
            known = ", ".join(DATA_OPTIONS)
            raise Unusable("unsupported", f"data sources have no option `{name}`", hint=f"there are {known}")
        right = isinstance(value, allowed) if isinstance(allowed, type) else value in allowed
        if name in ("delimiter", "escape"):
            right, allowed = isinstance(value, str) and len(value) == 1, ("one character",)
        if not right:
            wanted = f"a {allowed.__name__}" if isinstance(allowed, type) else ", ".join(allowed)
            raise Unusable("unsupported", f"`{name}` cannot be {value!r}", hint=f"it is {wanted}")


def _check_meaning(options: dict[str, Any], format: str) -> None:
    for name in options:
        if name not in ("format", "split", *OPTIONS_OF.get(format, ())):
            raise Unusable("unsupported", f"`{name}` has no meaning for {format} data", hint="take it out")


def _format(request: SourceRequest, files: tuple[SourceFile, ...]) -> str:
    suffixes = sorted({file.path.suffix for file in files})
    formats = {FORMAT_OF.get(suffix) for suffix in suffixes}
    if len(formats) == 1 and (format := formats.pop()):
        return format
    raise Unusable(
        "unsupported",
        f"`{request.uri}` has files of the kind {', '.join(s or 'without suffix' for s in suffixes)}",
        hint=f"narrow it with a glob, or say `format:` ({', '.join(READERS)})",
        where=files[0].path.parent,
    )


def _of_split(request: SourceRequest, files: tuple[SourceFile, ...], split: str) -> tuple[SourceFile, ...]:
    """Files whose name or folder has the split as a word: `data/train-00000-of-00002.parquet`."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(split)}(?![A-Za-z])")
    chosen = tuple(file for file in files if word.search(file.name))
    if not chosen:
        names = ", ".join(file.name for file in files[:6]) + (", ..." if len(files) > 6 else "")
        raise Unusable("missing", f"`{request.uri}` has no split `{split}`", hint=f"its files are {names}")
    return chosen


def _declared(card: dict[str, Any]) -> list[dict[str, Any]]:
    configs = card.get("configs")
    return [c for c in configs if isinstance(c, dict)] if isinstance(configs, list) else []


def _configured(
    request: SourceRequest, files: tuple[SourceFile, ...], card: dict[str, Any], config: str | None
) -> tuple[SourceFile, ...]:
    """The files of one configuration, as the dataset card lists them or by folder."""
    declared = _declared(card)
    if not declared:
        kept = tuple(f for f in files if config is None or f"{config}/" in f.name)
        return kept or _no_config(request, config, sorted({f.name.partition("/")[0] for f in files}))
    names = [str(c.get("config_name")) for c in declared]
    wanted = config or ("default" if "default" in names else names[0])
    if config is None and len(names) > 1 and "default" not in names:
        return _no_config(request, config, names)
    if wanted not in names:
        return _no_config(request, config, names)
    patterns = _patterns(declared[names.index(wanted)], dict(request.options).get("split"))
    kept = tuple(f for f in files if any(PurePosixPath(f.name).match(pattern) for pattern in patterns))
    if not kept:
        raise Unusable(
            "missing",
            f"no file of `{request.uri}` is where its card says ({', '.join(patterns) or 'no such split'})",
            hint="check `split`, or fetch the data set again",
        )
    return kept


def _patterns(config: dict[str, Any], split: Any) -> list[str]:
    listed = config.get("data_files", [])
    if isinstance(listed, str):
        return [listed]
    patterns: list[str] = []
    for entry in listed:
        if isinstance(entry, str):
            patterns.append(entry)
        elif split is None or entry.get("split") == split:
            path = entry.get("path", [])
            patterns += [path] if isinstance(path, str) else path
    return patterns


def _no_config(request: SourceRequest, config: str | None, names: list[str]) -> Any:
    what = f"has no configuration `{config}`" if config else "has several configurations"
    raise Unusable(
        "missing", f"`{request.uri}` {what}", hint=f"write `hf:owner/name#config`, with {', '.join(names)}"
    )

"""From the text of a mergekit configuration to the text of a spec, or to all that stands in the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fusec.cli.mergekit.configuration import read_configuration
from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.references import Folders
from fusec.cli.mergekit.spec import Made, write_spec
from fusec.cli.mergekit.yaml_tree import Mapping, Node, Scalar, read_yaml
from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.codes.fuse604_not_yaml import NotYaml
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Source, Span


@dataclass(frozen=True)
class Translation:
    """`spec` is empty exactly when there are problems; `used` are the places of the keys that were read."""

    spec: str
    problems: tuple[Diagnostic, ...]
    used: frozenset[Span]


def translate(source: Source, folders: Folders, title: str) -> Translation:
    """The spec of a configuration; `title` names the folder of a result that has no name of its own."""
    documents, problems = read_yaml(source)
    if problems:
        return Translation("", problems, frozenset())
    found = Findings()
    if not documents:
        found.report(NotYaml("there is nothing in it", source.span(0, 1)))
    merges: dict[str, Made] = {}
    names = {_name(document): False for document in documents if _name(document)}
    unnamed: Node | None = None
    for document in documents:
        made = read_configuration(document, folders, names, found)
        name = _name(document)
        if not name and unnamed is not None:
            fix = "give all documents but one a `name:`"
            found.report(Misfit("two documents have no name", document.span, fix, "", "", unnamed.span))
        elif not name:
            unnamed = document
        if name:
            names[name] = True
        for step in made:
            merges.setdefault(step.name, step)
    if found.problems:
        return Translation("", tuple(found.problems.values()), frozenset(found.used))
    remarks = tuple(sorted(found.remarks, key=lambda remark: (remark.at.start, remark.says)))
    return Translation(
        write_spec(tuple(merges.values()), remarks, Path(source.name).name, title), (), frozenset(found.used)
    )


def _name(document: Node) -> str:
    entry = document["name"] if isinstance(document, Mapping) else None
    return entry.value.text if entry and isinstance(entry.value, Scalar) else ""

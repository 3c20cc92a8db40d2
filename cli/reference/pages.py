"""The reference as Markdown, generated from the declarations: what `fusec explain` prints, and more."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fusec.cli.pages import code_page, method_page, pass_manual, pass_page, verb_page
from fusec.cli.plan_json import plan_schema
from fusec.cli.reference.command_pages import commands
from fusec.cli.reference.examples import PREAMBLE
from fusec.cli.reference.selectors import LEAD, selectors
from fusec.cli.reference.values import functions, units
from fusec.compiler.passes import BY_NAME
from fusec.compiler.step import Step, family_names, find_verb, methods_of, verb_names
from fusec.lang.diagnostics import all_codes

NOTE = "<!-- Written by `fusec docs` from the declarations; edit those. -->"
EXAMPLES = (
    f"Examples stand behind these lines, where they do not begin with `edition`:\n\n```text\n{PREAMBLE}```"
)

Section = tuple[str, str]


def pages() -> dict[str, str]:
    """File name to text."""
    return {
        "verbs.md": _page(
            "Verbs", f"Braces cost: each of these is work in the plan.\n\n{EXAMPLES}", _verbs()
        ),
        "methods.md": _page(
            "Methods", f"Parentheses are free: values that say how a verb works.\n\n{EXAMPLES}", _methods()
        ),
        "passes.md": _page(
            "Passes",
            "What the optimizer does to a graph, in this order; each pass is verified after it ran. "
            "`fusec plan --verbose`\nsays what each did, `--ir --after PASS` prints what it left, and "
            "`fusec ir --pass PASS FILE` runs one alone.",
            _passes(),
        ),
        "functions.md": _page(
            "Functions of rows",
            f"What an expression over the columns of a row may call.\n\n{EXAMPLES}",
            functions(),
        ),
        "units.md": _page("Units", "A quantity is a number and a unit: `24 GB`, `1.5 h`, `2%`.", units()),
        "diagnostics.md": _page("Diagnostics", "What fusec says, by code; `fusec explain CODE`.", _codes()),
        "selectors.md": _page("Selectors", LEAD, selectors()),
        "commands.md": _page("Commands", "`fusec COMMAND --help` prints the same.", commands()),
        "plan.schema.json": _schema(plan_schema()),
    }


def _schema(found: dict[str, Any]) -> str:
    """A JSON schema as a file."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _page(title: str, lead: str, sections: Iterable[Section]) -> str:
    parts = [f"# {title}", NOTE, lead, *(f"## {name}\n\n{body}" for name, body in sections)]
    return "\n\n".join(parts) + "\n"


def _verbs() -> Iterator[Section]:
    for name in verb_names():
        verb = find_verb(name)
        assert verb is not None and issubclass(verb, Step)
        yield f"`{name}`", _declared(verb, verb_page(verb))


def _methods() -> Iterator[Section]:
    for family in family_names():
        for name, method in methods_of(family).items():
            yield f"`{name}` of `{family}`", _declared(method, method_page(method))


def _passes() -> Iterator[Section]:
    for name in BY_NAME:
        about = pass_page(name).rpartition("\n\n")[2]
        yield f"`{name}`", f"{pass_manual(name)}\n\n```text\n{about}\n```"


def _codes() -> Iterator[Section]:
    for code, cls in all_codes().items():
        # The docstring is Markdown already; "fuse fails" is a note for our tests.
        yield code, code_page(cls).split("\n\n", 1)[1].replace("```fuse fails", "```fuse")


def _declared(cls: type, page: str) -> str:
    """Docstring as prose, what follows it (slots, grade) as a table set in fixed width."""
    manual = inspect.cleandoc(cls.__doc__ or "")
    _, _, rest = page.partition(manual)
    rest = rest.strip("\n")
    return f"{manual}\n\n```text\n{rest}\n```" if rest else manual

"""Every example that the documentation shows works: specs of the reference, command lines of the help."""

from __future__ import annotations

import inspect
import shlex

import click
import pytest
from world import problems_of

from fusec.cli.main import COMMANDS
from fusec.cli.pages import find_page
from fusec.cli.reference.command_pages import examples_of, find_command
from fusec.cli.reference.examples import examples
from fusec.cli.reference.pages import pages
from fusec.compiler.rowdocs import FUNCTION_DOCS
from fusec.compiler.rowexpr import FUNCTIONS
from fusec.compiler.step import family_names, methods_of, verb_names
from fusec.lang.units import UNITS

# Pages of diagnostics show specs that fail; `tests/compiler/test_explain_pages.py` holds them to that.
PAGES = {name: text for name, text in pages().items() if name != "diagnostics.md"}
SPECS = [
    pytest.param(spec, id=f"{name}:{number}")
    for name, text in PAGES.items()
    for number, spec in enumerate(examples(text), start=1)
]


@pytest.mark.parametrize("spec", SPECS)
def test_an_example_of_the_reference_checks_and_plans(spec: str) -> None:
    # An example stands alone, so nothing uses what it makes.
    assert [problem.title() for problem in problems_of(spec) if problem.level != "hint"] == []


@pytest.mark.parametrize("verb", verb_names())
def test_a_verb_shows_an_example_of_itself(verb: str) -> None:
    page = find_page(verb)
    assert page is not None
    assert any(f"{verb} {{" in spec for spec in examples(page))


@pytest.mark.parametrize("family", sorted({*family_names()} - {"device"}))
def test_a_method_shows_an_example_of_itself(family: str) -> None:
    for name, method in methods_of(family).items():
        shown = examples(inspect.cleandoc(method.__doc__ or ""))
        assert any(name in spec for spec in shown), name


def test_every_function_and_every_unit_has_its_place() -> None:
    assert tuple(FUNCTION_DOCS) == FUNCTIONS
    assert [name for name in UNITS if f"| `{name}` |" not in PAGES["units.md"]] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_of_the_help_is_a_command_line(name: str) -> None:
    lines = [shlex.split(line) for line in examples_of(name)]
    assert lines
    for program, command, *args in lines:
        assert (program, command) == ("fusec", name)
        find_command(name).make_context(name, args)  # raises for what it does not know


def test_a_wrong_command_line_would_be_seen() -> None:
    with pytest.raises(click.UsageError):
        find_command("plan").make_context("plan", ["a.fuse", "--stup"])

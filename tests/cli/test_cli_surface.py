"""The command line changes only on purpose: an edit here goes with every edit there."""

import click
import pytest

from fusec.cli.main import COMMANDS, dispatch, fusec

SURFACE = {
    "new": ["DIR"],
    "check": ["--deny", "--diff", "--fix", "--format", "--json", "--params", "--set", "--target", "SPEC"],
    "fmt": ["--check", "--diff", "PATHS"],
    "lock": ["--params", "--set", "--update", "SPEC"],
    "plan": [
        "--after",
        "--check",
        "--html",
        "--ir",
        "--json",
        "--only",
        "--output",
        "--params",
        "--require",
        "--set",
        "--store",
        "--svg",
        "--sweep",
        "--target",
        "--verbose",
        "--with",
        "--without",
        "-o",
        "SPEC",
    ],
    "ir": ["--pass", "[check] FILE"],
    "run": [
        "--analyze",
        "--base",
        "--device",
        "--json",
        "--no-gate",
        "--only",
        "--params",
        "--require",
        "--set",
        "--store",
        "--target",
        "--threads",
        "--with",
        "--without",
        "SPEC|PLAN",
    ],
    "runs": ["--json", "--store"],
    "show": ["--json", "--origin", "--store", "RUN|MANIFEST"],
    "replay": ["--base", "--json", "MANIFEST"],
    "verify": ["--base", "--json", "MANIFEST"],
    "catalog": [],
    "query": ["--json", "--params", "--set", "--store", "SPEC", "[SELECTOR]"],
    "why": ["--json", "--params", "--set", "--store", "NODE", "SPEC"],
    "diff": ["--json", "--store", "A", "B"],
    "doctor": ["--json", "--probe", "--store"],
    "docs": ["--output", "-o"],
    "explain": ["CODE|VERB|METHOD|PASS"],
    "lsp": [],
    "import": ["--output", "-o", "FILE", "TOOL"],
}
PARTS = {
    "catalog": {
        "analyze": [
            "--base",
            "--block",
            "--gram",
            "--json",
            "--keep",
            "--sampled",
            "--store",
            "--threads",
            "MODEL..",
        ],
        "show": ["--base", "--json", "--store", "MODEL"],
        "uses": ["--json", "--store", "FOLDER|NAME"],
        "gc": ["--json", "--store"],
    },
    "doctor": {"costs": ["--json", "--store"]},
}


def get(name: str) -> click.Command:
    command = fusec.get_command(click.Context(fusec), name)
    assert command is not None
    return command


def words(command: click.Command) -> list[str]:
    """Every flag and argument of a command, as its help shows them."""
    found = [
        word
        for param in command.params
        for word in (param.opts if isinstance(param, click.Option) else [param.human_readable_name])
    ]
    return sorted(set(found))


def test_commands_and_flags_are_those_listed() -> None:
    assert {name: words(get(name)) for name in COMMANDS} == SURFACE


def test_parts_of_commands_are_those_listed(capsys: pytest.CaptureFixture[str]) -> None:
    groups = {name: group for name in COMMANDS if isinstance(group := get(name), click.Group)}
    assert {n: {part: words(c) for part, c in g.commands.items()} for n, g in groups.items()} == PARTS
    for name, group in groups.items():
        for part in group.commands:
            assert dispatch([name, part, "--help"]) == 0
            assert f"Example: fusec {name} {part} " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch([name, "--help"]) == 0
    assert f"Example: fusec {name} " in " ".join(capsys.readouterr().out.split())


def test_the_list_of_commands_cuts_no_sentence_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.split("Commands:")[1]


def test_a_wrong_command_line_is_an_error_in_the_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["plan"]) == 1
    assert dispatch(["paln", "x.fuse"]) == 1
    assert dispatch(["check", "x.fuse", "--set", "steps"]) == 1
    assert "`steps` is not `name=value`" in capsys.readouterr().err

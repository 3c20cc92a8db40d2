"""The page about commands, from what each says of itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator

import click

from fusec.cli.columns import columns
from fusec.cli.main import COMMANDS, fusec

Section = tuple[str, str]
_EXAMPLE = re.compile(r"^Example: (.*)$", re.MULTILINE)


def find_command(name: str) -> click.Command:
    command = fusec.get_command(click.Context(fusec), name)
    assert command is not None, f"no command {name}"
    return command


def examples_of(name: str) -> list[str]:
    """The command lines that the help of a command shows, as one would type them."""
    return _EXAMPLE.findall(_help(find_command(name)))


def commands() -> Iterator[Section]:
    for name, command in _with_parts((name, find_command(name)) for name in COMMANDS):
        ctx = click.Context(command, info_name=f"fusec {name}", **fusec.context_settings)
        usage = " ".join([f"fusec {name}", *command.collect_usage_pieces(ctx)])
        records = [record for param in command.get_params(ctx) if (record := param.get_help_record(ctx))]
        options = columns(record for record in records if record[1])  # arguments are in the usage
        yield f"`fusec {name}`", f"```text\n{usage}\n\n{options}\n```\n\n{_body(command)}"


def _with_parts(commands: Iterable[tuple[str, click.Command]]) -> Iterator[tuple[str, click.Command]]:
    """Commands by name, each followed by those that it consists of."""
    for name, command in commands:
        yield name, command
        if isinstance(command, click.Group):
            yield from _with_parts((f"{name} {part}", of) for part, of in command.commands.items())


def _body(command: click.Command) -> str:
    """The help as Markdown: its example and its lists in fixed width."""
    paragraphs = []
    for paragraph in _help(command).split("\n\n"):
        if paragraph.startswith("\b\n"):
            paragraphs.append(f"```text\n{paragraph[2:]}\n```")
        else:
            paragraphs.append(_EXAMPLE.sub(r"```console\n$ \1\n```", paragraph))
    return "\n\n".join(paragraphs)


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "")

"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def _settings(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"`{text}` is not `name=value`")
        settings[name.strip()] = value.strip()
    return settings


def spec_argument(command: Command) -> Command:
    return click.argument("spec", type=PATH)(command)


def set_option(command: Command) -> Command:
    return click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_settings,
        help="Give a `param` of the spec another value.",
    )(command)


def only_option(command: Command) -> Command:
    return click.option(
        "--only", metavar="NODE", multiple=True, help="Make this result instead of the spec's goals."
    )(command)


def store_option(command: Command) -> Command:
    return click.option(
        "--store",
        type=PATH,
        metavar="PATH",
        help="The store of results; `.fusec` beside the spec by default.",
    )(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object for tools.")(command)


def base_option(default: str) -> Callable[[Command], Command]:
    return click.option(
        "--base", type=PATH, metavar="DIR", help=f"The folder relative paths start at; {default} by default."
    )

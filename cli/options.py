"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
PARAMS = "fusec.params"


def _settings(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    settings = dict(ctx.meta.get(PARAMS, {}))
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"`{text}` is not `name=value`")
        settings[name.strip()] = value.strip()
    return settings


def spec_argument(command: Command) -> Command:
    return click.argument("spec", type=PATH)(command)


def _params(ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]) -> None:
    if paths:
        from fusec.runtime.params_file import read_params

        ctx.meta[PARAMS] = {name: value for path in paths for name, value in read_params(path).items()}


def set_option(command: Command) -> Command:
    """`--set` and `--params` together, as one argument `settings`.

    A later file wins over an earlier one, and what is set by name over all files.
    """
    command = click.option(
        "--params",
        type=PATH,
        metavar="FILE",
        multiple=True,
        callback=_params,
        expose_value=False,
        is_eager=True,
        help="Take values of `param`s from a TOML file.",
    )(command)
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


def target_option(command: Command) -> Command:
    return click.option(
        "--target", metavar="NAME", help="A `target` of the spec to plan for; this machine by default."
    )(command)


def require_option(command: Command) -> Command:
    return click.option(
        "--require",
        type=click.Choice(("exact", "seeded")),
        help="Refuse outputs that can be repeated less exactly than this.",
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


def _passes(which: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], frozenset[str]]:
    def named(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> frozenset[str]:
        if names:
            from fusec.compiler.passes import ADDED, BY_NAME, OPTIONAL

            for name in names:
                known = OPTIONAL if which == "without" else ADDED
                if name in known:
                    continue
                step = BY_NAME.get(name)
                if step is None:
                    raise click.UsageError(f"there is no pass `{name}`; there are {', '.join(BY_NAME)}")
                if which == "with":
                    raise click.UsageError(f"`{name}` runs anyway; off by default is {', '.join(ADDED)}")
                why = step.needed or "it is off unless `--with` asks for it"
                raise click.UsageError(f"`{name}` can not be left out: {why}")
        return frozenset(names)

    return named


def passes_options(command: Command) -> Command:
    """`--without` and `--with`, as sets of names `without` and `added`."""
    command = click.option(
        "--with",
        "added",
        metavar="PASS",
        multiple=True,
        callback=_passes("with"),
        help="Run this optimizer pass too; it may change rounding.",
    )(command)
    return click.option(
        "--without",
        metavar="PASS",
        multiple=True,
        callback=_passes("without"),
        help="Leave this optimizer pass out.",
    )(command)

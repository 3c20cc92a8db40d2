"""`fusec catalog`: what a store knows about the weights of models, block by block."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli.options import json_option, store_option


@click.group(short_help="Measure models, so that merges read less.")
def command() -> None:
    """Measure models block by block; merges with a budget read only what the measures say matters.

    Example: fusec catalog analyze ./law ./math --base ./base
    """


@command.command(short_help="Measure models, and how they change a base.")
@click.argument("models", metavar="MODEL..", nargs=-1, required=True)
@click.option("--base", metavar="MODEL", help="The model that the others were trained from.")
@click.option("--gram", is_flag=True, help="Also how the changes agree with each other.")
@click.option("--sampled", is_flag=True, help="Estimate from one page of each block: reads under 1 %.")
@click.option("--keep", metavar="PATTERN", multiple=True, help="Leave these tensors out of the comparison.")
@click.option("--block", type=int, metavar="ELEMENTS", help="Elements per block; 524288 by default.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to measure with.")
@store_option
@json_option
def analyze(
    models: tuple[str, ...],
    base: str | None,
    gram: bool,
    sampled: bool,
    keep: tuple[str, ...],
    block: int | None,
    threads: int | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Read models once and keep what a merge is planned with: hashes, norms, sketches of every block.

    MODEL is a folder or an address as in a spec: `hf:owner/name`, `https://host/folder`. With --base also
    what each model changes there.

    Example: fusec catalog analyze ./law ./math --base ./base --gram
    """
    from fusec.cli.measuring import Wanted, analyse_models, sample_models

    if base is None and (gram or sampled or keep):
        option = "--gram" if gram else "--sampled" if sampled else "--keep"
        raise click.UsageError(f"{option} is about changes: name the model they start from with --base")
    if gram and sampled:
        raise click.UsageError("--gram needs every weight, --sampled reads a few of them")
    wanted = Wanted(models, base, keep, block, threads, store)
    return (
        sample_models(wanted, as_json=as_json) if sampled else analyse_models(wanted, gram, as_json=as_json)
    )


@command.command(short_help="Show what is known of a model.")
@click.argument("model", metavar="MODEL")
@click.option("--base", metavar="MODEL", help="The base to compare with, where there are several.")
@store_option
@json_option
def show(model: str, base: str | None, store: Path | None, as_json: bool) -> int:
    """Show a measured model tensor by tensor: blocks, how many equal the base's, how large the change is.

    Example: fusec catalog show ./law
    """
    from fusec.cli.measuring import show_model

    return show_model(model, base, store, as_json=as_json)


@command.command(short_help="Show what was made from a model.")
@click.argument("model", metavar="FOLDER|NAME")
@store_option
@json_option
def uses(model: str, store: Path | None, as_json: bool) -> int:
    """Show the stored results that were made from a model, and which are stale once it is withdrawn.

    A model is named by its folder, by its address, or by what specs call a source or a result. A merge under
    a budget that read no block of an expert does without it.

    Example: fusec catalog uses ./law
    """
    from fusec.cli.uses import show_uses

    return show_uses(model, store, as_json=as_json)


@command.command(short_help="Forget models that are gone or changed.")
@store_option
@json_option
def gc(store: Path | None, as_json: bool) -> int:
    """Drop the measures of models whose files are gone or hold something else now.

    Example: fusec catalog gc --store .fusec
    """
    from fusec.cli.measuring import clear_catalog

    return clear_catalog(store, as_json=as_json)

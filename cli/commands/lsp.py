"""`fusec lsp`: the language server, over stdin and stdout."""

from __future__ import annotations

import logging
import sys

import click

from fusec.runtime.kernel import RunError


@click.command(short_help="Serve editors.")
def command() -> int:
    """Speak the Language Server Protocol over stdin and stdout; editors start this. Logs go to stderr.

    Example: fusec lsp
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="fusec lsp: %(message)s")
    try:
        from fusec.cli.lsp.server import make_server
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        hint = 'install them with `pip install "fusec[lsp]"`'
        raise RunError("the libraries of the language server are not installed", hint=hint) from None
    make_server().start_io()
    return 0

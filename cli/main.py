"""The command `fusec`: one file per command, imported when it is asked for.

Exit codes: 0 fine, 1 errors in the input, 2 differs, 3 a check closed the gate, 4 a run failed. Beyond those,
130 says interrupted and 70 that fusec itself is broken.
"""

from __future__ import annotations

import gc
import importlib
import keyword
import os
import sys
import traceback
from collections.abc import Sequence

import click

from fusec import __version__
from fusec.cli import terminal
from fusec.runtime.kernel import RunError

COMMANDS = (
    "new",
    "check",
    "fmt",
    "lock",
    "plan",
    "ir",
    "run",
    "runs",
    "show",
    "replay",
    "verify",
    "catalog",
    "query",
    "why",
    "diff",
    "doctor",
    "explain",
    "docs",
    "lsp",
    "import",
)
ERRORS, INTERRUPTED, BROKEN = 1, 130, 70


class Commands(click.Group):
    """Commands by file name: `fusec plan` imports `fusec.cli.commands.plan` and none of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = importlib.import_module(f"fusec.cli.commands.{module}").command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="fusec %(version)s")
def fusec() -> None:
    """Compile declarative .fuse specs to executed model post-training.

    Example: fusec run specs/quickstart.fuse
    """


def dispatch(args: Sequence[str]) -> int:
    """Carry out one command line and give its exit code; what goes wrong is told on stderr."""
    try:
        return fusec.main(list(args), prog_name="fusec", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
    except RunError as error:
        terminal.error(error.what, error.hint)
    except click.Abort:
        terminal.error("interrupted", "results that were finished stay in the store")
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            return _broken(error)
        terminal.error(f"{error.filename}: {error.strerror}")
    except Exception as error:
        return _broken(error)
    return ERRORS


def _broken(error: Exception) -> int:
    """Our mistake, not the user's: one line, and the traceback for those who ask."""
    if os.environ.get("FUSEC_DEBUG"):
        traceback.print_exception(error)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    terminal.error(
        f"internal error: {what}",
        "this is a mistake in fusec, not in the spec: please report it with the output under FUSEC_DEBUG=1",
    )
    return BROKEN


def main() -> None:
    """The entry point of the console script."""
    terminal.prepare()
    if sys.argv[1:2] == ["check"]:
        gc.disable()  # a check leaves little garbage, and looking for it takes a tenth of its time
    sys.exit(dispatch(sys.argv[1:]))

"""How a run is followed: a live display on a terminal, lines elsewhere, nothing where a tool reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fusec.cli import terminal
from fusec.runtime.events import Listener


@contextmanager
def progress(*, quiet: bool) -> Iterator[tuple[Listener, ...]]:
    """The listeners to give to a run."""
    if quiet:
        yield ()
    elif terminal.interactive(sys.stderr):
        from fusec.cli.live import Live

        with Live() as live:
            yield (live,)
    else:
        from fusec.cli.event_lines import Lines

        yield (Lines(),)

"""What a stream can show, and short messages to it: colour, marks beyond ASCII, errors on stderr."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import IO, Literal

from fusec.lang.render import Paint, Role

CODES = {
    "error": "1;31",
    "warning": "1;33",
    "hint": "1;36",
    "title": "1",
    "gutter": "34",
    "primary": "1;31",
    "secondary": "34",
    "footer": "1",
    "grade": "2",
    "good": "32",
    "bad": "1;31",
}


def prepare() -> None:
    """Lets text that the terminal cannot show come out as `?`, not as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def interactive(stream: IO[str]) -> bool:
    """A terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(stream: IO[str]) -> bool:
    """A terminal whose user did not ask for plain text (https://no-color.org)."""
    return interactive(stream) and not os.environ.get("NO_COLOR")


def paint(role: str, text: str, stream: IO[str]) -> str:
    return f"\x1b[{CODES[role]}m{text}\x1b[0m" if text and coloured(stream) else text


def painter(stream: IO[str]) -> Paint:
    """Colours for `fusec.lang.render.render`."""

    def by_role(role: Role, text: str) -> str:
        return paint(role, text, stream)

    return by_role


def unicode(stream: IO[str]) -> bool:
    """Whether a stream can show more than ASCII."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def verdict(good: bool, stream: IO[str]) -> str:
    """A tick or a cross; words where the encoding has neither."""
    word = ("✓" if good else "✗") if unicode(stream) else ("ok" if good else "FAILED")
    return paint("good" if good else "bad", word, stream)


def width() -> int:
    """Columns of the terminal, 80 where there is none."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def note(text: str) -> None:
    """A line about what is going on, beside the results."""
    print(text, file=sys.stderr, flush=True)


def error(what: str, hint: str = "", level: Literal["error", "warning"] = "error") -> None:
    """One sentence and the next step; a code at its beginning stands where that of a diagnostic does."""
    code = re.match(r"(FUSE\d+): ", what)
    heading = f"{level}[{code[1]}]" if code else level
    note(paint(level, heading, sys.stderr) + f": {what[code.end() :] if code else what}")
    if hint:
        note(paint("footer", "hint", sys.stderr) + f": {hint}")

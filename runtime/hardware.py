"""What this machine is called where its speed matters: processor, how many, and no host name."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@cache
def hardware() -> str:
    """For instance `AMD EPYC 7B13, 8 processors`; equal for machines that should be equally fast."""
    count = os.cpu_count() or 1
    return f"{_processor()}, {count} processor{'s' * (count > 1)}"


def _processor() -> str:
    """The model of the processor where the system tells it, its architecture elsewhere."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", _CPUINFO.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else platform.machine()

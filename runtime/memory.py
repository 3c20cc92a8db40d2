"""The most memory that this process held during a stretch of work."""

from __future__ import annotations

import re
from pathlib import Path

_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class PeakMemory:
    """Starts a new high-water mark of the whole process; two at a time would share it.

    Linux keeps the mark and lets it be reset. Elsewhere nothing that belongs to the stretch can be had.
    """

    def __init__(self) -> None:
        try:
            _RESET.write_text("5")  # proc(5): resets the peak resident set size
            self._works = True
        except OSError:
            self._works = False

    def bytes(self) -> int | None:
        """Highest resident bytes since the start, or None where the system does not tell."""
        if not self._works:
            return None
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        return int(found[1]) * 1024 if found else None

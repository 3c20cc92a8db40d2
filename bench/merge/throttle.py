"""A slower disk: a control group of the kernel that limits what its processes read from one device."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

_ROOT = Path("/sys/fs/cgroup")


class Throttle:
    """Limits commands to `rate` bytes a second from the device that `path` lies on.

    Needs the right to make control groups, which root has: OSError without it, or where the kernel cannot.
    """

    def __init__(self, path: Path, rate: int) -> None:
        device = _disk(os.stat(path).st_dev)
        unified = (_ROOT / "cgroup.controllers").exists()
        parent = _ROOT if unified else _ROOT / "blkio"
        self._group = parent / f"fusec-bench-{os.getpid()}"
        self._group.mkdir()
        try:
            if unified:
                (self._group / "io.max").write_text(f"{device} rbps={rate}\n")
            else:
                (self._group / "blkio.throttle.read_bps_device").write_text(f"{device} {rate}\n")
        except OSError:
            self._group.rmdir()
            raise

    def __enter__(self) -> Throttle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._group.rmdir()

    def command(self, command: Sequence[str | Path]) -> list[str]:
        """The command, started inside the group."""
        join = f'echo $$ > {shlex.quote(str(self._group / "cgroup.procs"))} && exec "$@"'
        return ["/bin/sh", "-c", join, "sh", *map(str, command)]


def _disk(device: int) -> str:
    """`major:minor` of the whole disk that a partition belongs to: limits hold for disks only."""
    number = f"{os.major(device)}:{os.minor(device)}"
    entry = Path(f"/sys/dev/block/{number}").resolve(strict=True)
    return (entry.parent / "dev").read_text().strip() if (entry / "partition").exists() else number

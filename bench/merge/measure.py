"""Runs a command in a fresh process with a cold page cache and says what the kernel counted for it.

    python bench/merge/measure.py [--cold PATH]... [--sync PATH]... COMMAND [ARGUMENT]...

What is reported, children of the command included once they were waited for:

    wall         seconds from start to exit, and then until everything below --sync is on the disk
    cpu          user and system seconds (wait4)
    read         bytes fetched from the device for the process (read_bytes of /proc/PID/io)
    asked        bytes that its read calls returned, from the cache or not (rchar); mapped files not counted
    written      bytes that it made dirty (write_bytes)
    anonymous    peak of memory that no file backs (RssAnon), sampled every 50 ms over the process tree
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_EVERY = 0.05
_ANON = re.compile(rb"RssAnon:\s+(\d+) kB")


@dataclass(frozen=True)
class Measured:
    """What one run took; sizes in bytes, times in seconds."""

    wall: float
    user: float
    system: float
    read: int
    asked: int
    written: int
    anonymous: int
    code: int
    output: str

    @property
    def cpu(self) -> float:
        return self.user + self.system


def measure(
    command: Sequence[str | Path],
    *,
    cold: Iterable[Path] = (),
    sync: Iterable[Path] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Measured:
    """Runs `command` after evicting the files below `cold`; ends when those below `sync` are durable.

    `output` is the end of what it printed. A failing command is reported by its `code`, not raised.
    """
    for path in cold:
        evict(path)
    with _Output() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output.fd, stderr=output.fd,
            env=None if env is None else {**os.environ, **env}, cwd=cwd,
        )  # fmt: skip
        anonymous = 0
        # Left unreaped, so that its counters can be read complete: those of threads and children that ended
        # are added to them.
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            anonymous = max(anonymous, _anonymous(process.pid))
            time.sleep(_EVERY)
        counted = _counted(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for path in sync:
            flush(path)
        wall = time.perf_counter() - started
        text = output.text()
    return Measured(
        wall=wall, user=usage.ru_utime, system=usage.ru_stime, read=counted["read_bytes"],
        asked=counted["rchar"], written=counted["write_bytes"], anonymous=anonymous,
        code=process.returncode, output=text,
    )  # fmt: skip


def evict(path: Path) -> None:
    """Drops a file, or every file below a folder, from the page cache; dirty pages are written first."""
    for fd in _descriptors(path):
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def flush(path: Path) -> None:
    """Waits until a file, or every file below a folder, is on the disk."""
    for fd in _descriptors(path):
        os.fsync(fd)


def _descriptors(path: Path) -> Iterable[int]:
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        fd = os.open(file, os.O_RDONLY)
        try:
            yield fd
        finally:
            os.close(fd)


def _counted(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def _anonymous(root: int) -> int:
    """Bytes of anonymous memory of a process and everything below it, now."""
    total, pids = 0, [root]
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_bytes()
            for task in os.listdir(f"/proc/{pid}/task"):
                pids.extend(map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split()))
        except OSError:  # it ended between two looks
            continue
        if found := _ANON.search(status):
            total += int(found[1]) * 1024
    return total


class _Output:
    """A file in memory that takes what a command prints: a pipe would have to be emptied meanwhile."""

    def __enter__(self) -> _Output:
        self.fd = os.memfd_create("output")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def text(self, most: int = 4000) -> str:
        size = os.fstat(self.fd).st_size
        return os.pread(self.fd, most, max(0, size - most)).decode(errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cold", type=Path, action="append", default=[], metavar="PATH")
    parser.add_argument("--sync", type=Path, action="append", default=[], metavar="PATH")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    args = parser.parse_args()
    found = measure(args.command, cold=args.cold, sync=args.sync)
    print(json.dumps(asdict(found), indent=2))
    return found.code


if __name__ == "__main__":
    sys.exit(main())

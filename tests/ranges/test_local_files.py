"""Files of this machine: the same bytes whichever way they come, and errors that name what went wrong."""

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.local import LocalFile, in_step
from fusec.runtime.ranges.page_cache import PAGE, pages_held

SIZE = 40 * PAGE + 123


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("local") / "file"
    path.write_bytes(np.random.default_rng(0).bytes(SIZE))
    return path


def memory(count: int, offset: int) -> memoryview:
    """Memory for `count` bytes that lies in pages as they do at `offset` of a file."""
    held = bytearray(count + PAGE)
    at = ctypes.addressof(ctypes.c_char.from_buffer(held))
    behind = (offset - at) % PAGE
    return memoryview(held)[behind : behind + count]


def forget(path: Path) -> None:
    with open(path, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@given(st.integers(0, SIZE), st.integers(0, SIZE), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_range_has_its_bytes(file: Path, one: int, other: int, cold: bool, step: bool) -> None:
    start, stop = sorted((one, other))
    if cold:
        forget(file)
    buffer = memory(stop - start, start if step else start + 1)
    with LocalFile(file, exact=True) as opened:
        assert opened.read_into(buffer, start) == stop - start
    assert buffer == file.read_bytes()[start:stop]


def test_whole_pages_leave_no_trace_in_the_cache(file: Path) -> None:
    forget(file)
    buffer = memory(20 * PAGE, PAGE)
    assert in_step(buffer, PAGE)
    with LocalFile(file, exact=True) as opened:
        if not opened.leaves_out_cache:
            pytest.skip(
                "this file system has no reads past its cache, or this system does not tell what is in it"
            )
        forget(file)  # asking took a page
        opened.read_into(buffer, PAGE)
        assert pages_held(opened.fd, PAGE, 20 * PAGE) == 0


def test_a_file_that_became_shorter_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    with LocalFile(path, exact=True) as opened:
        os.truncate(path, 20 * PAGE + 7)
        forget(path)
        with pytest.raises(RunError, match=r"file: tensor `w` ended at byte 8\d+: it was cut short"):
            opened.read_into(memory(SIZE, 0), 0, "tensor `w`")


def test_more_files_than_a_program_is_allowed_at_first() -> None:
    """In a process of its own, as limits are those of a process."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("the system allows no more files")
    code = (
        "import resource\n"
        "from fusec.runtime.ranges.local import allow_open\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "allow_open(1200)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 2400)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr

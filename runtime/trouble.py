"""What the machine refuses - disk, permission, memory - as one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fusec.lang.diagnostics import Diagnostic
from fusec.runtime.kernel import RunError


def refused(problem: Diagnostic) -> RunError:
    """The error for a problem that shows while running: its code and title in one sentence, and its fix."""
    return RunError(f"{problem.code}: {problem.title()}", hint=problem.fixes()[0].say)


@contextmanager
def refusals_are_clear(doing: str) -> Iterator[None]:
    """Turns a refusal of the operating system or a lack of memory into a `RunError` that starts with `doing`.

    Anything else passes: it is a mistake of ours and needs its traceback.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        place = f"{error.filename}: " if error.filename is not None else ""
        raise RunError(f"{doing}: {place}{reason[:1].lower()}{reason[1:]}") from error
    except (MemoryError, RuntimeError) as error:
        if not _is_lack_of_memory(error):
            raise
        raise RunError(
            f"{doing}: it needs more memory than this machine gives",
            hint="use a smaller `batch`, `context` or model, or a machine with more memory",
        ) from error


_FINAL = (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError, PermissionError)


def may_pass(error: RunError) -> bool:
    """Whether the failure may be gone at the next try: the machine refused, rather than the work is wrong.

    A missing file or a missing right stays as it is until somebody does something about it.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (OSError, MemoryError)) or type(cause).__name__ == "OutOfMemoryError":
            return not isinstance(cause, _FINAL)
        cause = cause.__cause__ or cause.__context__
    return False


def _is_lack_of_memory(error: Exception) -> bool:
    # torch has a type of its own for a full GPU, and only a text for the CPU.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )

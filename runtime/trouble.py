"""What the machine refuses - disk, permission, memory - as one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fusec.runtime.kernel import RunError


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


def _is_lack_of_memory(error: Exception) -> bool:
    # torch has a type of its own for a full GPU, and only a text for the CPU.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )

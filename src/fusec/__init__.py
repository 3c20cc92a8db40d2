"""fusec: from a declarative .fuse spec to executed model post-training.

plan = fusec.compile("specs/quickstart.fuse", steps=20)
manifest = plan.run()
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fusec.runtime.api import Difference as Difference
    from fusec.runtime.api import Manifest as Manifest
    from fusec.runtime.api import Plan as Plan
    from fusec.runtime.api import RunError as RunError
    from fusec.runtime.api import SpecError as SpecError
    from fusec.runtime.api import compile as compile
    from fusec.runtime.api import load as load
    from fusec.runtime.api import replay as replay

__all__ = ["Difference", "Manifest", "Plan", "RunError", "SpecError", "compile", "load", "replay"]


def __getattr__(name: str) -> Any:
    """Names of the API import their module when they are first used: `import fusec` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fusec.runtime import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]

"""What experts do with data, in files: found before their weights are combined."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Protocol

from fusec.runtime.kernel import Artifact, Context, Method


class Look(Protocol):
    """Finds what one expert does with its data, for the tensors `names`, with files in `folder`."""

    def __call__(
        self,
        expert: Artifact,
        data: Artifact,
        names: Collection[str],
        *,
        examples: int,
        context: int | None,
        folder: Path,
        ctx: Context,
    ) -> Any: ...


def module_of(method: Method) -> ModuleType:
    """Where the arithmetic of a method is: in fusec's own module, or in one that a package names."""
    return importlib.import_module(method.kernel or f"fusec.runtime.kernels.merge.operators.{method.name}")


def measured(method: Method, experts: Sequence[Artifact], names: Collection[str], ctx: Context) -> Any:
    """What each expert does with its data, in their order; None for methods that do not look at that.

    `names` are the tensors that the method merges. Data is the argument `data`, one set for each expert.
    """
    choose: Callable[[], Look] | None = getattr(module_of(method), "look", None)
    if choose is None:
        return None
    look, found = choose(), []
    with TemporaryDirectory(prefix=".scratch-", dir=ctx.out) as scratch:
        # Files are mapped into memory: they lose their names here, and their bytes with the last use.
        for n, (expert, data) in enumerate(zip(experts, method["data"], strict=True)):
            folder = Path(scratch) / str(n)
            folder.mkdir()
            examples, context = method["examples"], method["context"]
            found.append(
                look(expert, data, names, examples=examples, context=context, folder=folder, ctx=ctx)
            )
            ctx.emit("progress", done=n + 1, total=len(experts), unit="experts")
    return found

"""FUSE114: a source that is damaged, or that cannot be read exactly."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class SourceDamaged(Diagnostic, code="FUSE114"):
    """What a `from` names is there, but cannot be read for what it claims to be.

    A safetensors file that ends before its header says, an index that lists a shard which is missing, a
    config without the fields a model needs, a table with a broken footer. Each is compared with what its
    own header promises before any weight or row is read. The usual cause is a download or copy that
    stopped half way.

    ```console
    $ fusec check merge.fuse
    error[FUSE114]: the source of `math` is damaged
    $ rm models/math/model.safetensors
    $ hf download acme/qwen3-8b-math --local-dir models/math
    $ fusec check merge.fuse
    ```

    If the fresh copy shows the same message, the damage is at the origin: compare the size and the hash
    with those the publisher states.

    The same is said of what is whole and has no exact meaning here: weights that are only there as pickle, an
    adapter that is not LoRA, a setting of an adapter such as `use_dora`. The message names it.
    """

    name: str
    at: Span
    what: str  # one sentence that names the file and what is wrong with it
    hint: str = ""
    whole: bool = False  # nothing is broken, it only means what fusec cannot read

    def title(self) -> str:
        return f"the source of `{self.name}` {'cannot be used' if self.whole else 'is damaged'}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.what.removesuffix(".")),)

    def why(self) -> str:
        if self.whole:
            return "what cannot be read exactly is not read at all, so that no result is quietly another one"
        return "a damaged file gives wrong numbers rather than an error, so it is refused before it is read"

    def fixes(self) -> tuple[Fix, ...]:
        return (
            Fix(self.hint or "fetch or copy the source again; a transfer that stopped half way is likely"),
        )

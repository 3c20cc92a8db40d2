"""FUSE114: a source that is damaged."""

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
    """

    name: str
    at: Span
    what: str  # one sentence that names the file and what is wrong with it
    hint: str = ""

    def title(self) -> str:
        return f"the source of `{self.name}` is damaged"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.what.removesuffix(".")),)

    def why(self) -> str:
        return "a damaged file gives wrong numbers rather than an error, so it is refused before it is read"

    def fixes(self) -> tuple[Fix, ...]:
        return (
            Fix(self.hint or "fetch or copy the source again; a transfer that stopped half way is likely"),
        )

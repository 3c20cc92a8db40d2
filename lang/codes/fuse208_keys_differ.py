"""FUSE208: two families with different keys."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import listing


@dataclass(frozen=True)
class KeysDiffer(Diagnostic, code="FUSE208"):
    """Two families that are used side by side do not have the same keys.

    A step that takes one model and one data set for each key matches them by key, never by position, so
    both families need exactly the same keys. Declaring both over one list keeps them together:

    ```console
    $ fusec check calibrate.fuse
    error[FUSE208]: `expert` and `probe` have different keys
    ```

    Here `model expert[t in tasks]` was declared over `["math", "code", "law"]` and `data probe[t in probes]`
    over `["math", "code"]`. With one `let tasks = […]` behind both, a new task cannot be forgotten in one
    of them.
    """

    at: Span
    name: str
    keys: tuple[str, ...]
    other_at: Span
    other: str
    other_keys: tuple[str, ...]

    def title(self) -> str:
        return f"`{self.name}` and `{self.other}` have different keys"

    def marks(self) -> tuple[Mark, ...]:
        return (
            Mark(self.at, _lacks(self.keys, self.other_keys)),
            Mark(self.other_at, _lacks(self.other_keys, self.keys)),
        )

    def why(self) -> str:
        return "members are matched by key, so each key must be in both"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("declare both over the same list"),)


def _lacks(keys: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    lacking = [key for key in wanted if key not in keys]
    return f"lacks {listing(lacking, most=6)}" if lacking else f"has {listing(keys, most=6)}"

"""Where an expression stands: what its names mean and what an unnamed step in it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Scope(msgspec.Struct, frozen=True):
    """`names` are variables of families and comprehensions; `address` names steps made here."""

    names: Mapping[str, Any] = {}
    address: str = ""

    def inside(self, part: str) -> Scope:
        """The scope of a part of this one: `final` becomes `final/data`."""
        return Scope(self.names, f"{self.address}/{part}" if self.address else part)

    def having(self, name: str, value: Any) -> Scope:
        return Scope({**self.names, name: value}, self.address)

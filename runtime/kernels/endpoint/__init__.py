"""source.endpoint: where a hosted model answers, as a file that verbs which ask it read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fusec.runtime.kernel import Context

ADDRESS = "endpoint.json"


class Endpoint(msgspec.Struct, frozen=True):
    """`uri` is the root of an OpenAI-compatible service, `model` a name it knows. Keys are nowhere here."""

    uri: str
    model: str
    logprobs: bool


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Writes the address down; nobody is asked yet."""
    endpoint = Endpoint(slots["uri"], slots["model"], slots["logprobs"])
    (ctx.out / ADDRESS).write_bytes(msgspec.json.encode(endpoint))

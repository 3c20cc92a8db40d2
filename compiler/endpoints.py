"""Addresses of hosted models and remote folders: what may stand in one, and what must be stated beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.codes.fuse116_secret_in_address import SecretInAddress
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

_SECRET = re.compile(r"key|token(?!s)|secret|passw|pwd|auth|credential|sig(nature)?$|bearer", re.I)
_KEY = re.compile(r"\b(sk-|hf_|gh[po]_|xox[bp]-|AKIA)[\w-]{8,}")
"""Keys of well-known services, which tell what they are wherever they stand."""


def is_remote(uri: str) -> bool:
    """Whether an address names a place on another machine: `scheme://...`."""
    return re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://", uri) is not None


def endpoint_is_sound(c: Checker, name: str, uri: str, options: dict[str, Any], at: Span) -> bool:
    """Whether an endpoint has a whole address, no secret in it and a model; reports what it has not."""
    if not address_is_sound(c, name, uri, at, "an endpoint"):
        return False
    if "model" not in options:
        c.report(Missing(owner=name, name="model", at=at, what="option", wants="Str"))
        return False
    return True


def address_is_sound(c: Checker, name: str, uri: str, at: Span, what: str = "a remote folder") -> bool:
    """Whether `scheme://...` is a whole address without a secret in it; reports what it is not."""
    from urllib.parse import parse_qsl, unquote, urlsplit

    try:
        parts = urlsplit(uri)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0) and not re.search(r"\s", uri)
    except ValueError:  # a port that is no number, a bracket without its other half
        whole = False
    if not whole:
        allowed = "an address such as `https://host/v1`"
        c.report(OutOfRange(at=at, what=what, got="no whole address", allowed=allowed))
        return False
    if parts.username is not None or parts.password is not None:
        c.report(SecretInAddress(name, at, "a user or a password"))
        return False
    if _KEY.search(unquote(uri)):
        c.report(SecretInAddress(name, at, "a key"))
        return False
    fields = [
        *parse_qsl(parts.query, keep_blank_values=True),
        *parse_qsl(parts.fragment),
        *parse_qsl(parts.path.partition(";")[2], separator=";"),
    ]
    for field, _ in fields:
        if _SECRET.search(field):
            c.report(SecretInAddress(name, at, f"the parameter `{field}`"))
            return False
    return True

"""Addresses of remote folders and files: what one is, and how it is put together and shown."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

HTTP = ("http", "https")

PACKAGES = {
    "s3": '"fusec[s3]"',
    "gs": "gcsfs", "gcs": "gcsfs",
    "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
}  # fmt: skip
"""Schemes that fsspec reads with a package of its own, and what to install for them."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def remote_scheme(uri: str) -> str | None:
    """The scheme of an address of the form `scheme://...`, without that of local files."""
    found = _SCHEME.match(uri)
    return None if found is None or found[1].lower() == "file" else found[1].lower()


def join(folder: str, name: str) -> str:
    """The address of a file below a folder."""
    path = quote(name) if remote_scheme(folder) in HTTP else name
    return f"{folder.rstrip('/')}/{path}"


def problem_of(uri: str) -> str:
    """Why an address cannot be that of a folder, as the end of a sentence; empty where it can.

    Says nothing of what stands in a user, a password or a query: those may be secrets.
    """
    try:
        parts = urlsplit(uri)
        host = bool(parts.netloc) and (parts.port is None or parts.port > 0)
    except ValueError:
        host = False
    if re.search(r"[\s\x00-\x1f\x7f]", uri):
        return "holds white space"
    if not host and remote_scheme(uri) in HTTP:
        return "names no host"
    if "@" in uri.partition("://")[2].partition("/")[0]:
        return "holds a user or a password, which never stand in an address"
    if "?" in uri or "#" in uri:
        return "has a query or a fragment, which a folder has not"
    return ""


def shown(uri: str) -> str:
    """An address without user, password, query and fragment, for messages about any address."""
    scheme, _, rest = uri.partition("://")
    place, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"

"""`hf:owner/name[@revision][#config]`: a snapshot in the Hugging Face cache.

The cache is looked at first. Only `download=True` goes to the network, with short timeouts and never
under `HF_HUB_OFFLINE`; `check` stays local so that it never starts to fetch gigabytes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

from fusec.runtime.sources.problems import Unusable

ADDRESS = re.compile(
    r"hf:(?P<repo>\w[\w.-]*(?:/\w[\w.-]*)?)(?:@(?P<revision>[\w./-]+))?(?:#(?P<config>[\w.-]+))?\Z"
)
TIMEOUT = 10.0

RepoKind = Literal["model", "dataset"]


class HubAddress(NamedTuple):
    repo: str
    revision: str | None
    config: str | None


def parse_address(uri: str) -> HubAddress:
    match = ADDRESS.match(uri)
    if match is None:
        raise Unusable(
            "scheme",
            f"`{uri}` is not an address of the Hugging Face hub",
            hint="write `hf:owner/name`, with `@revision` or `#config` behind it where needed",
            where=uri,
        )
    return HubAddress(match["repo"], match["revision"], match["config"])


def snapshot(address: HubAddress, kind: RepoKind, patterns: tuple[str, ...], *, download: bool) -> Path:
    """The folder of one commit; its name is the commit."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    def fetch(*, local: bool) -> Path:
        return Path(
            snapshot_download(
                address.repo,
                repo_type=kind,
                revision=address.revision,
                allow_patterns=list(patterns),
                local_files_only=local,
                etag_timeout=TIMEOUT,
            )
        )

    try:
        return fetch(local=True)
    except HFValidationError as error:
        raise Unusable("scheme", f"`{_display(address)}`: {error}", where=_display(address)) from error
    except LocalEntryNotFoundError:
        pass
    missing = f"`{_display(address)}` is not in the Hugging Face cache {constants.HF_HUB_CACHE}"
    if constants.HF_HUB_OFFLINE:
        raise Unusable(
            "offline",
            f"{missing}, and HF_HUB_OFFLINE forbids to fetch it",
            hint="unset HF_HUB_OFFLINE, or copy the repository into that cache",
            where=constants.HF_HUB_CACHE,
        )
    if not download:
        raise Unusable(
            "missing",
            missing,
            hint="`fusec lock` downloads it",
            where=constants.HF_HUB_CACHE,
        )
    try:
        return fetch(local=False)
    except Exception as error:  # the hub raises its own, httpx's and the system's errors alike
        reason = " ".join(str(error).split())[:200]
        raise Unusable(
            "offline",
            f"{missing}, and the hub did not give it ({type(error).__name__}: {reason})",
            hint="check the name, the network and the access token",
            where=constants.HF_HUB_CACHE,
        ) from error


def _display(address: HubAddress) -> str:
    return f"hf:{address.repo}" + (f"@{address.revision}" if address.revision else "")

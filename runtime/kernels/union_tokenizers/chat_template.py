"""The chat template of a tokenizer folder: a field of its configuration, or files beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusec.runtime.hf_folder import write_synced
from fusec.runtime.kernel import RunError

FILES = ("chat_template.*", "additional_chat_templates/*")


def write_chat_template(donor: Path, config: dict[str, Any], out: Path) -> None:
    """Gives the tokenizer in `out`, whose `config` is still to be written, the template of folder `donor`."""
    config.pop("chat_template", None)
    for path in sorted(path for pattern in FILES for path in donor.glob(pattern)):
        target = out / path.relative_to(donor)
        target.parent.mkdir(exist_ok=True)
        write_synced(target, path.read_bytes())
    source = donor / "tokenizer_config.json"
    if source.is_file():
        try:
            template = json.loads(source.read_text("utf-8")).get("chat_template")
        except (OSError, ValueError, AttributeError) as error:
            raise RunError(f"{source} cannot be read: {error}") from error
        if template is not None:
            config["chat_template"] = template

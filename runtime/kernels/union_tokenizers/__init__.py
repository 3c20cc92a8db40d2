"""union_tokenizers: the tokens of several tokenizers under numbers that keep those of the first.

Reads and writes `tokenizer.json`. Of the files beside it the first tokenizer's `tokenizer_config.json` and
`special_tokens_map.json` are kept; files of slow tokenizers are left out, as they would contradict it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusec.runtime.hf_folder import write_synced
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.union_tokenizers.chat_template import write_chat_template
from fusec.runtime.kernels.union_tokenizers.reach import lead_to
from fusec.runtime.kernels.union_tokenizers.tokenizer_file import read_tokenizer_file
from fusec.runtime.kernels.union_tokenizers.unite import United, unite


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with the union of `of`, tokenizer or model artifacts in the order that numbers tokens.

    Emits `token_conflict`, `splitting_differs` and `tokens_out_of_reach` for what the union cannot keep.
    Raises RunError naming the file for tokenizers that cannot be read or have no sound union.
    """
    files = [read_tokenizer_file(artifact.path) for _, artifact in inputs["of"]]
    first, united = files[0], unite(files)
    for kind, fields in united.notes:
        ctx.emit(kind, **fields)
    if united.rows == first.all_rows and not united.added and not united.merges:
        text = first.path.read_bytes()
    else:
        text = _json(lead_to(united, ctx.emit).file(first))
    _require_loads(text, united, first.path)
    write_synced(ctx.out / "tokenizer.json", text)
    config = _read_config(first.path.parent)
    listed = config.get("added_tokens_decoder")
    if isinstance(listed, dict):
        entries = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in united.added}
        config["added_tokens_decoder"] = listed | entries
    donor = inputs.get("chat_template")
    write_chat_template(donor.path if donor else first.path.parent, config, ctx.out)
    if config:
        write_synced(ctx.out / "tokenizer_config.json", _json(config))
    names = first.path.parent / "special_tokens_map.json"
    if names.is_file():
        write_synced(ctx.out / names.name, names.read_bytes())
    ctx.meter.bytes_read += sum(file.path.stat().st_size for file in files)
    ctx.meter.bytes_written += len(text)


def _require_loads(text: bytes, united: United, path: Path) -> None:
    """The library numbers the tokens as planned: it has rules of its own for added ones."""
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_str(text.decode()).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises plain Exception for whatever is wrong
        raise RunError(f"the union on top of {path} does not load: {error}") from error
    if loaded != united.rows:
        token = min(t for t in loaded.keys() | united.rows.keys() if loaded.get(t) != united.rows.get(t))
        raise RunError(
            f"the token {token!r} has number {united.rows.get(token)} in the union on top of {path}, "
            f"but loads as {loaded.get(token)}",
            hint="load that tokenizer with AutoTokenizer, save it and use what was saved",
        )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise RunError(f"{path} is not a JSON object")
    return config


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()

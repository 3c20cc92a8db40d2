"""The small files of a transplanted model: its configuration with the new numbers, the new tokenizer's files.

Numbers of special tokens follow the token's text. Where the new tokenizer lacks that text, the token that it
has in the same role takes its place, and no token where it has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusec.runtime.durable import copy_file
from fusec.runtime.hf_folder import read_config, write_synced
from fusec.runtime.kernel import RunError

OF_THE_MODEL = ("preprocessor_config.json", "processor_config.json")
OF_THE_TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template.*",
    "additional_chat_templates/*",
)

NUMBERS = ("_token_id", "_token_ids", "_token_index", "suppress_tokens")
"""How fields end that hold the number of a token or a list of them."""
OTHER_NUMBERS = ("bad_words_ids", "force_words_ids", "forced_decoder_ids", "sequence_bias")
"""Fields of generation that hold numbers of tokens in other shapes."""
ROLES = ("bos", "eos", "pad", "unk", "sep", "cls", "mask")


def write_companions(
    model: Path, tokenizer: Path, out: Path, own: Mapping[str, int], target: Mapping[str, int], height: int
) -> None:
    """Writes all but the weights into `out`: the model's configuration, renumbered, and tokenizer files.

    `own` and `target` number the tokens before and after. RunError naming file and field where a number
    belongs to a token that the new tokenizer lacks.
    """
    roles = _roles(tokenizer, target)
    texts = {number: token for token, number in own.items()}
    config = read_config(model)
    changed = _renumbered(config, texts, target, roles, model / "config.json")
    _write(model / "config.json", config, _with_height(changed, height), out)
    generation = model / "generation_config.json"
    if generation.is_file():
        settings = _object(generation)
        _write(generation, settings, _renumbered(settings, texts, target, roles, generation), out)
    for folder, patterns in ((model, OF_THE_MODEL), (tokenizer, OF_THE_TOKENIZER)):
        for path in sorted({p for pattern in patterns for p in folder.glob(pattern) if p.is_file()}):
            to = out / path.relative_to(folder)
            to.parent.mkdir(exist_ok=True)
            copy_file(path, to)


def _renumbered(
    fields: Mapping[str, Any],
    texts: Mapping[int, str],
    target: Mapping[str, int],
    roles: Mapping[str, int],
    path: Path,
) -> dict[str, Any]:
    changed = dict(fields)
    for name, value in fields.items():
        if isinstance(value, dict) and name.endswith("_config"):
            changed[name] = _renumbered(value, texts, target, roles, path)
        elif name in OTHER_NUMBERS and value and any(target.get(t) != n for n, t in texts.items()):
            raise RunError(
                f"{path}: `{name}` holds numbers of tokens in a form that cannot be renumbered",
                hint="remove the field from a copy of the model, and set it again in the result",
            )
        elif name.endswith(NUMBERS) and isinstance(value, list):
            found = [_number(one, name, texts, target, {}, path) for one in value]
            known = [number for number in dict.fromkeys(found) if number is not None]
            role = roles.get(_role(name))
            changed[name] = known or ([role] if role is not None else [])
        elif name.endswith(NUMBERS) and isinstance(value, int) and value >= 0:
            changed[name] = _number(value, name, texts, target, roles, path)
    return changed


def _number(
    number: Any,
    name: str,
    texts: Mapping[int, str],
    target: Mapping[str, int],
    roles: Mapping[str, int],
    path: Path,
) -> int | None:
    """The new number of a token; of one that is gone, that of the same role, None where it has none."""
    text = texts.get(number) if isinstance(number, int) else None
    if text is not None and text in target:
        return target[text]
    if _role(name) not in ROLES:
        token = f"the token {text!r}" if text is not None else "no token"
        raise RunError(
            f"{path}: `{name}` is {number!r}, {token}, which the new tokenizer does not have",
            hint="use a tokenizer that has it: `union_tokenizers` keeps all tokens of the model",
        )
    return roles.get(_role(name))


def _role(name: str) -> str:
    return name.partition("_token")[0]


def _roles(tokenizer: Path, target: Mapping[str, int]) -> dict[str, int]:
    path = tokenizer / "tokenizer_config.json"
    settings = _object(path) if path.is_file() else {}
    found = {}
    for role in ROLES:
        token = settings.get(f"{role}_token")
        text = token.get("content") if isinstance(token, dict) else token
        if isinstance(text, str) and text in target:
            found[role] = target[text]
    return found


def _with_height(config: dict[str, Any], height: int) -> dict[str, Any]:
    """The configuration with the new size of the vocabulary, which composite models keep with their text."""
    inner = config.get("text_config")
    if "vocab_size" not in config and isinstance(inner, dict):
        return config | {"text_config": inner | {"vocab_size": height}}
    both = {"text_config": inner | {"vocab_size": height}} if isinstance(inner, dict) else {}
    return config | both | {"vocab_size": height}


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is not a JSON object")
    return value


def _write(path: Path, before: dict[str, Any], after: dict[str, Any], out: Path) -> None:
    """`after` as a file of the same name; byte for byte the old one where nothing changed."""
    if before == after:
        copy_file(path, out / path.name)
    else:
        text = json.dumps(after, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_synced(out / path.name, text.encode())

"""Several merges by mergekit in one process: importing it takes longer than a small merge.

    .venv-peers/bin/python bench/merge/many_merges.py CONFIG OUT [CONFIG OUT]...

A merge that fails leaves its message as OUT/failed.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]]
    options = MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True, random_seed=1)
    for config, out in zip(paths[::2], paths[1::2], strict=True):
        try:
            told = MergeConfiguration.model_validate(yaml.safe_load(config.read_text()))
            run_merge(told, str(out), options=options)
        except Exception as error:  # of whatever kind: the other merges go on
            out.mkdir(parents=True, exist_ok=True)
            (out / "failed.txt").write_text(f"{type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()

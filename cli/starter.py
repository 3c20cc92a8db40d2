"""The files of a starter project."""

from __future__ import annotations

SPEC = """\
edition 2026

## A small base model, two specialists of it, and one model merged from both.

param seed = 17
param steps = 30 steps

## What each specialist learns: the code of the json package, and the prose inside the argparse module.
let fields = [
  "code": "pkg:json/*.py",
  "prose": "pkg:stdlib/argparse.py",
]

data text[f in fields] from "{fields[f]}" { format: text, sample_by: line }
  |> filter { keep: len(.text) >= 20 }
  |> split { test: 20% }

tokenizer bytes = train_tokenizer { data: [f: text[f].train for f in fields], vocab: 512 }

model base = init {
  tokenizer: bytes
  arch: llama(layers: 2, hidden: 64, heads: 4, context: 64)
}

model expert[f in fields] = finetune {
  model: base
  data: text[f].train
  steps: steps
  lr: 3e-3
}

model merged = merge { base: base, experts: expert, method: average }

report before = evaluate { model: base, data: [f: text[f].test for f in fields] }
report after = evaluate { model: merged, data: [f: text[f].test for f in fields] }

check after.average.loss < before.average.loss else "the merged model learned nothing"

output merged to "./models/merged"
"""

README = """\
# A fusec project

`fusec run main.fuse` trains two small specialists, merges them, evaluates the result and writes it to
`models/merged`; `fusec plan main.fuse` shows what that takes before anything runs.
Commit `main.fuse.lock`: it pins the sources.
"""

IGNORE = """\
/.fusec/
/models/
"""

FILES = {"main.fuse": SPEC, "README.md": README, ".gitignore": IGNORE}

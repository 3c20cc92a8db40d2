"""Where models, tokenizers and data come from.

    address                          what it names
    folder/data.jsonl, ./x, ~/x      a path, relative to the folder of the spec; data may use globs
    file:///folder/data.jsonl        the same, absolute
    hf:owner/name[@revision]         a repository in the Hugging Face cache (a data set when data is asked
           [#config]                 for; `#config` picks one of its configurations)
    pkg:name/glob                    files of an installed Python package, found without importing it;
                                     `pkg:stdlib/*.py` is the top level of the standard library
    https://host/folder,             a folder on another machine with a model, a delta or a tokenizer;
    s3://bucket/folder, ...          with the options of an endpoint, `https://` is one and no folder

`inspect` reads headers only, and the network for nothing else. `pin` reads everything once, but for what a
server holds to a version. `open_*` hand out content that was checked against the pin. Names of files are
relative to the source, so a pin knows no paths.
"""

from __future__ import annotations

from fusec.runtime.sources.inspect import inspect
from fusec.runtime.sources.opening import open_data, open_model, open_tokenizer, require_unchanged
from fusec.runtime.sources.pinning import pin
from fusec.runtime.sources.reads import READS, Digest, Reads, file_sha256

__all__ = [
    "READS",
    "Digest",
    "Reads",
    "file_sha256",
    "inspect",
    "open_data",
    "open_model",
    "open_tokenizer",
    "pin",
    "require_unchanged",
]

"""Settings of the libraries that kernels use: no writing between our lines, no spinning threads."""

from __future__ import annotations

import os

QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "DATASETS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that spin at barriers make training five times slower beside any other work.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def quiet_libraries() -> None:
    """Call before the first kernel is imported; what the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)

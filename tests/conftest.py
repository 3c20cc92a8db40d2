"""What every test relies on: no network, quiet libraries, reproducible examples, the shared real inputs."""

import os
from pathlib import Path

# Libraries read these once, when they are imported, so they stand before any import of ours.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    TQDM_DISABLE="1",
    TOKENIZERS_PARALLELISM="false",
    TRANSFORMERS_VERBOSITY="error",
    TRANSFORMERS_NO_ADVISORY_WARNINGS="1",
    DATASETS_VERBOSITY="error",
    OMP_WAIT_POLICY="PASSIVE",
)
# Parallel workers share the cores; kernels that each start one thread per core would spin against each other.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# `ci` gives everyone the same examples, so a red test is red everywhere; `search` looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real models and data that is kept outside the repository; the test skips without it."""
    path = Path(os.environ.get("FUSEC_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip("no shared inputs: FUSEC_SHARED names no folder and ../shared is absent")
    return path

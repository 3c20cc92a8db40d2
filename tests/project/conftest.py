"""The repository as its next commit would hold it."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repo_files(root: Path) -> list[Path]:
    """All files and links that git tracks or would add, as paths relative to the top folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of the project's files")
    paths = sorted({Path(name) for name in listed.stdout.split("\0") if name})
    return [path for path in paths if (root / path).is_symlink() or (root / path).exists()]

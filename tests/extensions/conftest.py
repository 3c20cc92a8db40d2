"""A real package with verbs, installed where only these tests see it, and packages that are broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Fusec = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """edition 2026

extend "acme-fuse-steps" as acme

data plain from "notes.jsonl"

data loud = plain |> acme.rewrite { column: .text, into: "loud", voice: acme.shouty(marks: 2) }

data soft = acme.rewrite { data: plain, column: .text, into: "soft", voice: acme.whispered }
  |> filter { keep: len(.soft) > 3 }

data long = plain |> filter { keep: len(.text) > 3 }

output loud to "./out/loud.jsonl"
output soft to "./out/soft.jsonl"
output long to "./out/long.jsonl"
"""


@pytest.fixture(scope="session")
def source() -> Path:
    """The sources of the package that `docs/extending.md` shows."""
    return Path(__file__).parent / "acme_fuse_steps"


@pytest.fixture(scope="session")
def installed_once(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `pip install` put the package into."""
    build, site = tmp_path_factory.mktemp("build") / "acme", tmp_path_factory.mktemp("site")
    shutil.copytree(source, build, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    command = [*pip, "--no-build-isolation", "--target", site, build]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def site(installed_once: Path, tmp_path: Path) -> Path:
    """A copy of the installation that the test may edit."""
    return Path(shutil.copytree(installed_once, tmp_path / "site"))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps({"text": f"Note {n}"}) + "\n" for n in range(5)))
    path = tmp_path / "notes.fuse"
    path.write_text(SPEC)
    return path


@pytest.fixture
def fusec(tmp_path: Path) -> Fusec:
    """`fusec ARGS` in a process of its own, with the packages in `site` or with none."""

    def run(*args: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(site or ""), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"}
        code = "import sys; from fusec.cli.main import main; sys.argv[0] = 'fusec'; main()"
        command = [sys.executable, "-c", code, *args]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], str]:
    """`package(name, entry point, source)` installs a package of one module and gives its name."""

    def make(name: str, entry: str, text: str) -> str:
        folder = tmp_path / name
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
        (folder / name / "work.py").write_text("def run(inputs, slots, ctx): ...\n")
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        if entry:
            (about / "entry_points.txt").write_text(f"[fusec.steps]\n{name} = {entry}\n")
        monkeypatch.syspath_prepend(folder)
        return name

    return make

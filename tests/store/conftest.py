"""Stores, artifacts, and processes that can be killed."""

import json
import multiprocessing
import subprocess

import pytest

from fusec.runtime.kernel import Artifact
from fusec.runtime.store import Store


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / ".fusec")
    yield opened
    opened.close()


@pytest.fixture
def model(tmp_path):
    """model("a") is a small artifact of kind model outside any store; the letter decides its bytes."""

    def make(letter, size=1000):
        folder = tmp_path / "artifacts" / letter
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"model": letter}))
        (folder / "model.safetensors").write_bytes(letter.encode() * size)
        (folder / "sub" / "vocab.txt").write_text(letter)
        return Artifact("model", folder, f"id-{letter}")

    return make


@pytest.fixture
def fork():
    """fork(function) runs it in a child process that shares nothing but the disk; killed at the end."""
    children = []

    def start(function, *args):
        child = multiprocessing.get_context("fork").Process(target=function, args=args)
        child.start()
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.join()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)

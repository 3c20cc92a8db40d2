"""`fusec check --fix`: what is certain is mended in the file, the rest is told."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


def test_a_certain_fix_is_written_and_named(fusec: Fusec, curate: Path) -> None:
    good = curate.read_text()
    curate.write_text(good.replace("keep:", "kep:").replace("edition 2026\n\n", ""))
    said = fusec("check", curate, "--fix")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "curate.fuse:1:1: FUSE009 fixed: write `edition 2026` on the first line",
        "curate.fuse:7:15: FUSE103 fixed: write `keep`",
        "curate.fuse: fine, 4 steps",
    ]
    assert curate.read_text() == good
    assert fusec("check", curate, "--fix").out == "curate.fuse: fine, 4 steps\n"


def test_guesses_are_left_and_decide_the_exit_code(fusec: Fusec, curate: Path) -> None:
    good = curate.read_text()
    curate.write_text(good.replace("keep:", "kep:").replace(">= least", ">= lest"))
    said = fusec("check", curate, "--fix")
    assert said.code == 1
    assert "FUSE103 fixed" in said.out
    assert "error[FUSE101]" in said.err and "FUSE103" not in said.err
    assert curate.read_text() == good.replace(">= least", ">= lest")


def test_diff_shows_and_writes_nothing(fusec: Fusec, curate: Path) -> None:
    wrong = curate.read_text().replace("keep:", "kep:")
    curate.write_text(wrong)
    said = fusec("check", curate, "--fix", "--diff")
    assert (said.code, said.err) == (2, "")
    assert "-  |> filter { kep: len(.text) >= least }\n+  |> filter { keep: len(.text)" in said.out
    assert curate.read_text() == wrong
    assert fusec("check", curate, "--diff").code == 1


def test_json_tells_what_was_fixed(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text().replace("keep:", "kep:"))
    said = fusec("check", curate, "--fix", "--json")
    answer = json.loads(said.out)
    assert (said.code, answer["ok"], answer["problems"]) == (0, True, [])
    assert answer["fixed"] == [{"code": "FUSE103", "line": 7, "column": 15, "say": "write `keep`"}]


def test_line_ends_stay_and_a_byte_order_mark_goes(fusec: Fusec, curate: Path) -> None:
    good = curate.read_text()
    wrong = "\ufeff" + good.replace("keep:", "kep:").replace("edition 2026\n\n", "")
    curate.write_bytes(wrong.replace("\n", "\r\n").encode())
    assert fusec("check", curate, "--fix").code == 0
    assert curate.read_bytes() == good.replace("\n", "\r\n").encode()


def test_a_good_file_and_a_link_keep_what_they_are(fusec: Fusec, curate: Path) -> None:
    before = curate.stat().st_mtime_ns
    assert fusec("check", curate, "--fix").code == 0
    assert curate.stat().st_mtime_ns == before
    curate.write_text(curate.read_text().replace("keep:", "kep:"))
    curate.chmod(0o600)
    link = Path("link.fuse")
    link.symlink_to(curate)
    assert fusec("check", link, "--fix").code == 0
    assert curate.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink() and "keep:" in curate.read_text()


@pytest.mark.skipif(shutil.which("patch") is None, reason="the program `patch` is not installed")
@pytest.mark.parametrize("ends", ["\n", "\r\n", ""])
def test_the_diff_is_a_patch(fusec: Fusec, curate: Path, ends: str) -> None:
    """`ends` is what ends each line; with none the last line has no end."""
    text = curate.read_text().replace("keep:", "kep:")
    wrong = (text.rstrip("\n") if not ends else text.replace("\n", ends)).encode()
    curate.write_bytes(wrong)
    patch = fusec("check", curate, "--fix", "--diff").out.encode()
    patched = curate.with_name("patched.fuse")
    patched.write_bytes(wrong)
    subprocess.run(["patch", "--binary", str(patched)], input=patch, check=True, capture_output=True)
    assert fusec("check", curate, "--fix").code == 0
    assert patched.read_bytes() == curate.read_bytes()

"""`fusec plan --check`: whether a saved plan would still run as it was planned."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fusec.compiler import plan as plans

Fusec = Callable[..., Any]
SAVED = "saved.plan"


@pytest.fixture
def check(fusec: Fusec, curate: Path) -> Callable[..., list[str]]:
    """Saves a plan of the pinned spec; then what a check says is different, line by line."""
    assert fusec("lock", curate).code == 0
    assert fusec("plan", curate, "-o", SAVED).code == 0

    def ask(*options: object) -> list[str]:
        said = fusec("plan", curate, "--check", SAVED, *options)
        first, *lines = re.sub(r"\n {6,}", " ", said.out).splitlines()  # a long line goes on further in
        assert said.code == (2 if lines else 0), said.err
        assert first.startswith(f"{SAVED}: ")
        return lines

    return ask


def edit(curate: Path, old: str, new: str) -> None:
    text = curate.read_text()
    assert old in text
    curate.write_text(text.replace(old, new))


def rewritten(**fields: Any) -> None:
    """The saved plan as another fusec or another world would have written it."""
    plan = plans.decode_plan(Path(SAVED).read_bytes())
    Path(SAVED).write_bytes(plans.encode_plan(msgspec.structs.replace(plan, **fields)))


def test_nothing_changed(check: Callable[..., list[str]], fusec: Fusec, curate: Path) -> None:
    assert check() == []
    edit(curate, "edition 2026\n", "edition 2026\n\n# a remark\n")
    assert check() == []
    fusec("run", curate)
    assert check() == [], "what the store has got since is no difference"
    assert json.loads(fusec("plan", curate, "--check", SAVED, "--json").out)["equal"] is True


def test_a_source_was_edited_behind_the_lock(check: Callable[..., list[str]]) -> None:
    path = Path("notes.jsonl")
    path.write_text(path.read_text().replace("a line", "a word"))
    assert check() == ["  ~ source notes/source: notes.jsonl of `notes.jsonl` changed since it was locked"]


def test_a_source_was_edited_and_locked(check: Callable[..., list[str]], fusec: Fusec, curate: Path) -> None:
    Path("notes.jsonl").write_text('{"text": "other words in here"}\n' * 40)
    fusec("lock", curate, "--update")
    first, *rest = check()
    assert first.startswith("  ~ notes/source: content: ")
    assert rest == ["    follows: notes/filter, notes, profile"]


def test_a_source_that_is_needed_is_gone(check: Callable[..., list[str]], fusec: Fusec, curate: Path) -> None:
    Path("notes.jsonl").rename("kept.jsonl")
    (line,) = check()
    assert line.startswith("  - source notes/source: ") and "notes.jsonl" in line


def test_the_spec_and_its_budget_changed(check: Callable[..., list[str]], curate: Path) -> None:
    assert check("--set", "seed=8") == ["  ~ notes: seed: 7 -> 8", "    follows: profile"]
    edit(curate, 'output notes.train to "./out/train.jsonl"\n', "")
    edit(curate, "check profile", "budget { reads: 1 GB }\n\ncheck profile")
    assert check() == ['  - goal output(%notes.train, "./out/train.jsonl")', "  + budget reads: 1 GB"]


def test_the_store_lost_a_result(check: Callable[..., list[str]], fusec: Fusec, curate: Path) -> None:
    fusec("run", curate)
    fusec("plan", curate, "-o", SAVED)
    for folder in Path(".fusec/objects/report").iterdir():
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert check() == ["  - profile: its result was in the store and is gone; it would be computed"]


def test_another_fusec_planned_it(check: Callable[..., list[str]]) -> None:
    rewritten(fusec="0.0.1")
    (line,) = check()
    assert line.startswith("  ~ fusec: 0.0.1 -> ")


def test_a_package_is_not_installed(check: Callable[..., list[str]], fusec: Fusec, curate: Path) -> None:
    pin = plans.PackagePin("fusec-nothing", "1.0", "0" * 64)
    rewritten(packages=(pin,))
    said = fusec("plan", curate, "--check", SAVED)
    assert said.code == 2
    assert said.out.splitlines()[0].endswith("cannot run here")
    assert said.out.splitlines()[1].startswith(f"  - package {pin.short}: ")


def test_the_target_is_another(check: Callable[..., list[str]], fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text() + "\ntarget small = local(cpus: 2)\n")
    assert check("--target", "small") == ["  ~ target: this machine -> small (local, 2 cpus)"]
    fusec("plan", curate, "--target", "small", "-o", SAVED)
    assert check() == [], "the target of the saved plan is meant"
    edit(curate, "cpus: 2", "cpus: 1")
    assert check() == ["  ~ target: small (local, 2 cpus) -> small (local, 1 cpu)"]

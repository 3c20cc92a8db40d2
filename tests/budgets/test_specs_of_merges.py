"""The specs that people copy from specs/merge: the commands in their comments work, and they run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

SPECS = sorted((Path(__file__).parents[2] / "specs/merge").glob("*.fuse"))
SMALL = {"shared_budget": ("--set", "limit=400KB"), "budget": ("--set", "reads=50%")}
"""Parameters with which models of a few blocks are merged."""


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_a_spec_does_what_it_says(spec: Path, family, fusec) -> None:
    shutil.copy(spec, family)
    commands = re.findall(r"^##     fusec (.*)$", spec.read_text(), re.M)
    measured = [command for command in commands if command.startswith("catalog")]
    assert measured
    settings = SMALL.get(spec.stem, ())
    assert fusec("check", spec.name).code == 0
    assert fusec("fmt", "--check", spec.name).code == 0
    assert fusec("plan", spec.name, *settings).code == 1, "nothing is known of the experts"
    for command in (*measured, *(command for command in commands if command not in measured)):
        assert fusec(*shlex.split(command)).code == 0, command
    said = fusec("plan", spec.name, *settings)
    assert said.code == 0 and "of experts (" in said.out
    assert fusec("run", spec.name, *settings).code == 0
    assert all((folder / "model.safetensors").is_file() for folder in Path("out").iterdir())


def test_there_are_specs() -> None:
    assert [path.stem for path in SPECS] == ["budget", "shared_budget", "sweep"]

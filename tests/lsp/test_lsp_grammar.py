"""The TextMate grammar: its own tests where npm installed them, and the words it must not miss."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fusec.lang.lexer import DECLARATIONS, RESERVED
from fusec.lang.units import UNITS

EDITOR = Path(__file__).parents[2] / "editors" / "vscode"
GRAMMAR = json.loads((EDITOR / "syntaxes" / "fuse.tmLanguage.json").read_text())["repository"]


def patterns(part):
    return [pattern["match"] for pattern in GRAMMAR[part].get("patterns", [GRAMMAR[part]])]


def test_every_declaration_keyword_is_one_at_column_0_only():
    found = {word for word in DECLARATIONS for p in patterns("declaration") if re.match(p, f"{word} name")}
    assert found == DECLARATIONS
    assert all(p.startswith("^") for p in patterns("declaration"))


def test_every_reserved_word_is_coloured():
    assert {word for word in RESERVED for p in patterns("word") if re.fullmatch(p, word)} == RESERVED


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_every_unit_is_coloured(unit):
    found = re.match(patterns("quantity")[0], f"24 {unit}")
    assert found is not None and found[2] == unit


def test_eight_billion_has_no_unit():
    assert re.match(patterns("quantity")[0], "8B") is None


def test_the_grammar_passes_its_own_tests():
    if not (EDITOR / "node_modules" / "vscode-tmgrammar-test").is_dir() or shutil.which("npm") is None:
        pytest.skip("needs the node modules of editors/vscode: make editor")
    done = subprocess.run(["npm", "test"], cwd=EDITOR, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout

"""What is wrong with a package is one message about the spec's line, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from world import facts

from fusec.compiler.check import check
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import parse
from fusec.lang.source import Source
from fusec.runtime.extensions import installed

HEAD = """
from fusec.compiler.step import Method, Step
from fusec.compiler.slots import Data

"""
VERB = 'class Loud(Step, verb="loud", kernel="NAME.work", subject="data"):\n    data: Data\n'
GIVES = "    def gives(self, site): return self.data.type\n"
GOOD = VERB + GIVES

names = (f"acme_test_{number}" for number in count())  # a process imports a package once


def problems(text: str) -> tuple[Diagnostic, ...]:
    parsed = parse(Source("notes.fuse", f"edition 2026\n\n{text}"))
    return check(parsed, facts, packages=installed).problems


def extended(name: str, use: str = "") -> list[tuple[str, str]]:
    """What is said about a spec that extends a package and uses nothing else."""
    found = problems(f'extend "{name}" as acme\n{use}')
    return [(problem.code, problem.marks()[0].note) for problem in found]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise ValueError('not today')\n", "importing it fails: ValueError: not today (NAME, line 5)"),
        ("raise SystemExit(3)\n", "importing it fails: SystemExit: 3 (NAME, line 5)"),
        ("def broken(:\n", "importing it fails: SyntaxError: invalid syntax (__init__.py, line 5)"),
        (
            "import there_is_none\n",
            "importing it fails: ModuleNotFoundError: No module",
        ),
        (GOOD.replace(', kernel="NAME.work"', ""), "the verb `loud` names no kernel"),
        (
            GOOD.replace("NAME.work", "NAME.play"),
            "the kernel of the verb `loud` is `NAME.play`, and the package has no such module",
        ),
        (
            GOOD.replace("NAME.work", "json"),
            "the kernel of the verb `loud` is `json`, and the package has no such module",
        ),
        (GOOD.replace(', subject="data"', ""), "the verb `loud` names no subject"),
        (
            GOOD.replace('subject="data"', 'subject="rows"'),
            "the verb `loud` names the subject `rows`, which is not a slot of it",
        ),
        (
            GOOD + "    how: dict = {}\n",
            "slot `how` of the verb `loud` has no marker",
        ),
        (GOOD + "    how: 'Nothing' = 1\n", "a declaration is not well formed: PydanticUndefinedAnnotation"),
        (GOOD.replace('"loud"', '"loud", grade="best"'), "the verb `loud` has the grade `best`"),
        (VERB, "the verb `loud` has no `gives`: nothing says what type its result has"),
        (
            GOOD.replace('"loud"', '"not a name"'),
            "`not a name` of `NAME.Loud` is not a name",
        ),
        (
            GOOD + GOOD.replace("Loud", "Louder"),
            "two classes declare the verb `loud`: `NAME.Loud`, `NAME.Louder`",
        ),
        (
            'class M(Method, name="median", family="merge"): ...\n',
            "the method `median` joins the family `merge`, so it must be a MergeMethod",
        ),
        (
            'class M(Method, name="mars", family="target"): ...\n',
            "the method `mars` joins the family `target`, which takes none but fusec's own",
        ),
        (
            "from fusec.compiler.methods.merge import MergeMethod\n"
            'class M(MergeMethod, name="median", family="merge"): ...\n',
            "the method `median` names no kernel",
        ),
    ],
)
def test_a_package_that_is_not_well_formed(package: Callable[..., str], text: str, says: str) -> None:
    name = next(names)
    package(name, name, (HEAD + text).replace("NAME", name))
    ((code, label),) = extended(name)
    assert code == "FUSE115"
    assert says.replace("NAME", name) in label


def test_an_entry_point_that_leads_nowhere(package: Callable[..., str]) -> None:
    name = next(names)
    package(name, "acme_of_nowhere.verbs", "")
    assert extended(name) == [
        ("FUSE115", "its entry point cannot be found: there is no module `acme_of_nowhere`")
    ]


def test_a_package_without_verbs(package: Callable[..., str]) -> None:
    silent, empty = next(names), next(names)
    package(silent, "", "")
    package(empty, empty, "")
    assert extended(silent) == [("FUSE106", "the package has no entry point in `fusec.steps`")]
    assert extended(empty) == [("FUSE106", f"it declares no verb and no method in `{empty}`")]


def test_a_package_that_is_not_installed(package: Callable[..., str]) -> None:
    name = next(names)
    package(f"{name}_verbs", f"{name}_verbs", HEAD + GOOD.replace("NAME", f"{name}_verbs"))
    (near,) = problems(f'extend "{name}_verb" as acme\n')
    (far,) = problems('extend "zzzzzz" as acme\n')
    assert (near.code, far.code) == ("FUSE106", "FUSE106")
    assert near.fixes()[0].say == f"write `{name}_verbs`"
    assert far.fixes()[0].say == "install it: `pip install zzzzzz`"


def test_nothing_more_is_said_about_what_a_missing_package_would_bring() -> None:
    text = 'extend "zzzzzz" as acme\nreport x = acme.loud { how: acme.much(3) }\noutput x to "./x.json"\n'
    assert [problem.code for problem in problems(text)] == ["FUSE106"]


def test_uses_of_a_package(package: Callable[..., str]) -> None:
    name = next(names)
    package(name, name, (HEAD + GOOD).replace("NAME", name))
    assert extended(name) == [("FUSE108", "no output and no check needs this extension")]
    (unknown,) = problems(f'extend "{name}" as acme\nreport x = acme.lout {{}}\noutput x to "./x.json"\n')
    assert (unknown.code, unknown.fixes()[0].say) == ("FUSE107", "write `acme.loud`")
    (clash,) = [p for p in problems(f'let acme = 3\nextend "{name}" as acme\n') if p.level == "error"]
    assert clash.code == "FUSE102"
    (value,) = problems(f'extend "{name}" as acme\nreport x = acme\noutput x to "./x.json"\n')
    assert (value.code, "a package of verbs" in value.title() + value.marks()[0].note) == ("FUSE207", True)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "    def gives(self, site): return 1 / 0\n",
            "ZeroDivisionError: division by zero (NAME, line 7)",
        ),
        ("    def gives(self, site): return 'Data'\n", "gives a str, not a type of `fusec.lang.types`"),
        (GIVES + "    def cost(self, result): return 3\n", "has a `cost` that is no `Cost`"),
        (GIVES + "    def order(self, ids): raise KeyError(1)\n", "raises KeyError: 1 (NAME, line 8)"),
    ],
)
def test_a_type_rule_that_fails(package: Callable[..., str], rule: str, says: str) -> None:
    name = next(names)
    package(name, name, (HEAD + VERB + rule).replace("NAME", name))
    spec = f'extend "{name}" as acme\ndata d from "fixture:text"\ndata x = d |> acme.loud {{}}\n'
    (found,) = (p for p in problems(spec + 'output x to "./x.jsonl"\n') if p.level == "error")
    assert found.code == "FUSE115"
    assert says.replace("NAME", name) in found.marks()[0].note


def test_a_check_without_extend_looks_at_no_installed_package(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fusec.runtime.session import Session\n"
        "Session(Path('specs/quickstart.fuse')).check(); print('fusec.runtime.extensions' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]

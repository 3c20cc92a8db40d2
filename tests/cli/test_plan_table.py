"""The table of a plan keeps to 80 columns: amounts whole, the rest cut or broken."""

import msgspec
import pytest

from fusec.cli.plan_text import plan_text
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.irtext import read_ir
from fusec.compiler.passes import Trace
from fusec.compiler.plan import Plan, PlannedLimit, PlannedTarget, Task

IR = """\
ir 1
%rows = source.data r1 { uri: "rows.jsonl", pin: "aa", options: [] } : Data[{text: Str}] exact
%kept[long] = filter r1 (data: %rows) { keep: none } : Data[{text: Str}] exact
%kept[short] = filter r1 (data: %rows) { keep: none } : Data[{text: Str}] exact
goal output(%kept[long], "./somewhere/far/away/in/a/folder/of/a/long/name.jsonl")
"""
KEYS = ("long", "short")


def planned(name: str, reads: float, seconds: float, money: float) -> Plan:
    """One step that reads, and a family behind it that is stored, on a target with prices."""
    ir = IR.replace("%rows", f"%{name}")
    cost, seconds_, money_ = Cost(reads=exactly(reads)), exactly(seconds), exactly(money)
    first = Task(name, "source.data", 1, "1" * 64, "exact", "new", cost, seconds_, money=money_)
    stored = (Task(f"kept[{key}]", "filter", 1, key, "exact", "stored", Cost(), Range()) for key in KEYS)
    return Plan(
        version=1,
        id="0123456789" * 6,
        spec="rows.fuse",
        spec_digest="ff",
        params=(),
        ir=ir,
        tasks=(first, *stored),
        sources=(),
        limits=(PlannedLimit("reads", 1e12, reads, "B"),),
        passes=tuple(Trace(f"a_pass_of_some_name_{n}", 3, 3 - n, "acted") for n in range(6)),
        grade="exact",
        rates="target cluster, built-in rates",
        target=PlannedTarget("cluster", "ray", None, "USD"),
        wall=exactly(seconds),
    )


def test_short_names_leave_room_for_notes() -> None:
    text = plan_text(planned("rows", 5e6, 2.5, 0.5), width=80)
    assert text.split("\n\n")[0].splitlines() == [
        "  node              state   reads   time     price  grade  note",
        "  rows              new      5 MB  2.5 s  0.50 USD  exact  rows.jsonl",
        "  kept[long short]  stored      -      -         -  exact  filter",
        "  output                        -      -         -  exact  kept[long] -> ./som..",
    ]


def test_wide_amounts_are_whole_and_names_give_way() -> None:
    name = "a_name_that_somebody_took_much_time_to_think_of"
    text = plan_text(planned(name, 999.4e12, 364 * 86400 + 86340, 123456.78), width=80)
    lines = text.split("\n\n")[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert "999.4 TB" in lines[1] and "123_456.78 USD" in lines[1]
    assert lines[1].split()[0].startswith("a_name_") and lines[1].split()[0].endswith("..")


@pytest.mark.parametrize("width", [80, 100, 132])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    lines = plan_text(planned("rows", 5e6, 2.5, 0.5), width=width).splitlines()
    assert max(map(len, lines)) <= width
    passes = [line for line in lines if "a_pass_of_some_name" in line]
    assert len(passes) > 1 and all(line.startswith(" " * 10) for line in passes[1:])


def test_passes_that_found_nothing_are_counted_and_others_say_what_they_save() -> None:
    traces = (
        Trace("cse", 3, 1, "left out 2 steps"),
        Trace("reuse", 3, 3, "", 4_400_000_000),
        Trace("place", 3, 3),
    )
    plan = msgspec.structs.replace(planned("rows", 5e6, 2.5, 0.5), passes=traces)
    assert "passes  cse -2, reuse 0 (4.4 GB); 1 found nothing to do\n" in plan_text(plan, width=80)
    said = plan_text(plan, width=80, verbose=True)
    assert "cse         3      1       -  left out 2 steps" in said


def test_a_column_without_any_amount_is_left_out() -> None:
    plan = planned("rows", 5e6, 2.5, 0.5)
    bare = msgspec.structs.replace(plan, target=None)
    assert "price" not in plan_text(bare, width=80).splitlines()[0]
    assert "price" in plan_text(plan, width=80).splitlines()[0]


def test_verbose_cuts_nothing() -> None:
    name = "a_name_that_somebody_took_much_time_to_think_of"
    assert name in plan_text(planned(name, 5e6, 2.5, 0.5), width=80, verbose=True)


def test_the_ir_of_these_tests_is_read_as_it_stands() -> None:
    assert list(read_ir(IR).nodes) == ["rows", "kept[long]", "kept[short]"]

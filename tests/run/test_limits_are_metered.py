"""A budget while its plan runs: what is used is counted, a crossing stops cleanly, the next run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fusec.compiler.cost import exactly
from fusec.compiler.placement import Ask, Place
from fusec.compiler.plan import Plan, PlannedLimit
from fusec.runtime.events import RunFinished, TaskFinished, read_events
from fusec.runtime.executors.local import Ran, run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.kernel import Context, Meter, RunError
from fusec.runtime.kernels import describe
from fusec.runtime.metering import Metering
from fusec.runtime.preparing import prepare
from fusec.runtime.session import Session
from fusec.runtime.store import Store

ROWS = """edition 2026
data rows from "rows.jsonl"
data some = rows |> filter { keep: .n > 1 }
report profile = describe { data: some }
budget { reads: 1 MB, wall: 1 h, writes: 1 MB }
output profile to "./profile.json"
"""


class Desk:
    """A folder with one spec, run under limits that a test may lower after planning."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(9)))
        (folder / "spec.fuse").write_text(ROWS)
        self.heard: list[Any] = []

    def run(self, **limits: float) -> Ran:
        store = Store(self.folder / ".fusec")
        try:
            session = Session(self.folder / "spec.fuse")
            plan = limited(prepare(session, session.check(), store).plan, limits)
            return run_plan(plan, store, self.folder, Options(listeners=(self.heard.append,)))
        finally:
            store.close()

    def made(self) -> list[str]:
        return [e.task for e in self.heard if isinstance(e, TaskFinished) and e.state == "computed"]


def limited(plan: Plan, limits: dict[str, float]) -> Plan:
    return msgspec.structs.replace(
        plan,
        limits=tuple(
            msgspec.structs.replace(limit, limit=limits.get(limit.name, limit.limit)) for limit in plan.limits
        ),
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_estimates_and_amounts_used_are_in_the_manifest(desk: Desk) -> None:
    manifest = desk.run().manifest
    by_name = {limit.name: limit for limit in manifest.limits}
    assert list(by_name) == ["reads", "wall", "writes"]
    computed = [node for node in manifest.nodes if node.state == "computed"]
    assert by_name["reads"].used == sum(node.actual.get("bytes_read", 0) for node in computed) > 0
    assert by_name["writes"].used == sum(node.actual.get("bytes_written", 0) for node in computed) > 0
    assert sum(node.actual["seconds"] for node in computed) <= by_name["wall"].used
    assert all(limit.estimated > 0 for limit in manifest.limits)
    again = desk.run().manifest
    assert again.semantic_digest == manifest.semantic_digest
    assert [limit.used for limit in again.limits if limit.name != "wall"] == [0, 0]


def test_a_crossing_stops_and_the_next_run_goes_on(desk: Desk) -> None:
    with pytest.raises(RunError, match=r"FUSE310: the run used .* of `reads`, the budget allows 1 B") as stop:
        desk.run(reads=1)
    first = desk.made()
    assert f"nothing is done after `{first[-1]}`" in stop.value.what
    assert not (desk.folder / "profile.json").exists()
    (run,) = (desk.folder / ".fusec/runs").iterdir()
    assert not (run / "manifest.json").exists()
    assert [e.state for e in read_events(run / "events.jsonl") if isinstance(e, RunFinished)] == ["failed"]
    desk.run()
    assert (desk.folder / "profile.json").exists()
    assert len(desk.made()) == len(set(desk.made())), "what was finished is not done again"


def test_a_step_that_crosses_leaves_nothing_behind(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(inputs: Any, slots: Any, ctx: Context) -> None:
        (ctx.out / "half").write_text("half")
        ctx.meter.bytes_read += 10**7
        ctx.pulse()
        raise AssertionError("it was stopped")

    with monkeypatch.context() as patch:
        patch.setattr(describe, "run", greedy)
        with pytest.raises(RunError, match=r"FUSE310: .* `profile` was stopped"):
            desk.run()
    assert not list((desk.folder / ".fusec/objects").rglob("half"))
    assert "profile" not in desk.made()
    desk.run()
    assert desk.made().count("profile") == 1


# --- what counts as used --------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def planned(desk: Desk) -> Callable[..., Plan]:
    def plan(limit: str, unit: str, most: float, **task: Any) -> Plan:
        session = Session(desk.folder / "spec.fuse")
        made = session.plan(session.check())
        return msgspec.structs.replace(
            made,
            limits=(PlannedLimit(limit, most, 0.0, unit),),
            tasks=tuple(msgspec.structs.replace(one, **task) for one in made.tasks),
        )

    return plan


def test_money_and_time_on_gpus_run_with_the_clock(planned: Callable[..., Plan]) -> None:
    clock = Clock()
    held = Place(Ask(groups=(("", 8),)), (0,))
    plan = planned("cost", "USD", 4.0, seconds=exactly(10), money=exactly(1.0), place=held)
    metering = Metering(plan, "cuda", clock=clock)
    metering.begin({"some": Meter()})
    clock.now = 30.0
    assert (metering.used("cost"), metering.used("gpu") * 3600) == pytest.approx((3.0, 240.0))
    metering.end()
    clock.now = 50.0  # nothing runs: nothing is paid for
    assert metering.used("cost") == pytest.approx(3.0)
    metering.begin({"profile": Meter()})
    clock.now = 61.0
    with pytest.raises(
        RunError, match=r"FUSE310: the run used 4.10 USD of `cost`, the budget allows 4.00 USD"
    ):
        metering.check("profile")
    assert Metering(plan, "cpu", clock=clock).used("gpu") == 0


def test_tasks_that_run_at_once_share_the_time(planned: Callable[..., Plan]) -> None:
    clock = Clock()
    plan = planned("cost", "USD", 9.0, seconds=exactly(10), money=exactly(1.0))
    metering = Metering(plan, "cpu", clock=clock)
    metering.begin({"some": Meter(), "profile": Meter()})
    clock.now = 20.0
    assert metering.used("cost") == pytest.approx(2.0)


def test_tokens_and_bytes_are_those_of_the_meters(
    planned: Callable[..., Plan],
) -> None:
    for limit, unit, counted in (
        ("teacher", "tokens", Meter(teacher_tokens=7, tokens=99)),
        ("expert_reads", "B", Meter(expert_bytes=7, bytes_read=99)),
        ("reads", "B", Meter(bytes_read=4, analysis_bytes=3)),
    ):
        metering = Metering(planned(limit, unit, 7), "cpu")
        metering.begin({"some": counted})
        assert metering.used(limit) == 7
        metering.check("some")  # a limit may be reached
        counted.teacher_tokens = counted.expert_bytes = counted.bytes_read = 8
        with pytest.raises(RunError, match="FUSE310"):
            metering.check("some")


# --- merges, which read in many threads -----------------------------------------------------------


def test_a_merge_is_stopped_while_it_reads(family_bench: Any, merge_spec: str) -> None:
    text = merge_spec + "budget { expert_reads: 1 GB }\n"
    folder = family_bench.folder
    session, store = Session(family_bench.spec(text)), Store(folder / ".fusec")
    try:
        plan = prepare(session, session.check(), store).plan
        with pytest.raises(RunError, match=r"FUSE310: .* of `expert_reads`, .*: `merged` was stopped"):
            run_plan(limited(plan, {"expert_reads": 1}), store, folder, Options(threads=2))
        assert not list((folder / ".fusec/objects").glob("model/*"))
        (limit,) = run_plan(plan, store, folder).manifest.limits
        assert limit.used == limit.estimated
    finally:
        store.close()


def test_a_result_that_the_plan_counted_on_has_to_be_there(desk: Desk) -> None:
    """Made again it would cost what the budget has not counted."""
    made = desk.run().manifest
    store = Store(desk.folder / ".fusec")
    try:
        session = Session(desk.folder / "spec.fuse")
        plan = prepare(session, session.check(), store).plan
        for node in made.nodes:
            if store.has(node.id):
                store.discard(node.id)
        with pytest.raises(RunError, match=r"left the store since .* was planned"):
            run_plan(plan, store, desk.folder, Options())
        without = msgspec.structs.replace(plan, limits=())
        assert (
            run_plan(without, store, desk.folder, Options()).manifest.semantic_digest == made.semantic_digest
        )
        rows = [row for verb in {node.verb for node in made.nodes} for row in store.catalog.estimates(verb)]
        assert rows and all(row.estimate["range"][1] > 0 for row in rows), (
            "a step that nobody priced teaches nothing"
        )
    finally:
        store.close()

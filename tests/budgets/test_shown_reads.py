"""What people see of a read budget: in plans, in runs, and where two of them differ."""

import json
import re
from pathlib import Path

import pytest


def merged_lines(text: str) -> list[str]:
    """The paragraph about merges, without the table."""
    return next(part for part in text.split("\n\n") if "of experts" in part).splitlines()


def test_a_plan_says_bytes_and_error_in_eighty_columns(analysed, fusec, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = fusec("plan", "spec.fuse").out
    (line,) = merged_lines(said)
    assert re.fullmatch(
        r"  merged  [\d.]+ of [\d.]+ KB of experts \(\d+%\), error [\d.]+% of the update", line
    )
    plan = json.loads(fusec("plan", "spec.fuse", "--json").out)
    (reads,) = (node["expert_reads"] for node in plan["nodes"] if "expert_reads" in node)
    assert f"error {reads['error_of_update']:.2%}" in line
    assert max(map(len, said.splitlines())) <= 80


def test_a_long_name_makes_room_for_the_numbers(analysed, fusec, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    spec = analysed / "spec.fuse"
    spec.write_text(re.sub(r"\bmerged\b", "a_generalist_of_three_specialists", spec.read_text()))
    (line,) = merged_lines(fusec("plan", "spec.fuse").out)
    assert line.startswith("  a_generali") and line.endswith("of the update") and len(line) <= 80


def test_what_only_the_run_can_choose_is_said(family, fusec) -> None:
    spec = family / "spec.fuse"
    spec.write_text(spec.read_text().replace("  block:", "  analysis: sampled\n  block:"))
    (line,) = merged_lines(fusec("plan", "spec.fuse").out)
    assert line.endswith("of experts; which blocks, the run decides")


def test_verbose_says_how_many_blocks_of_which_expert(analysed, fusec, changed) -> None:
    said = fusec("plan", "spec.fuse", "--set", "reads=40%", "--verbose").out
    rows = re.findall(r"^    (\w+) +(\d+) +(\d+) +(\d+) +[\d.]+ KB$", said, re.M)
    counts = {name: (int(read), int(shared), int(blocks)) for name, read, shared, blocks in rows}
    for name, blocks in changed.items():
        read, shared, of = counts[name]
        assert read >= 2 * len(blocks) and (shared, of) == (0, 16)
    assert re.search(r"model\.layers\.\*\.up\.weight +2 +16 +", said)
    for word in ("choice", "slack", "fixed", "cast"):
        assert re.search(rf"^    {word} ", said, re.M), word


def test_a_run_says_what_was_read_beside_what_was_planned(run, fusec) -> None:
    manifest = run()
    lines = merged_lines(fusec("show", manifest).out)
    (node,) = json.loads(fusec("show", manifest, "--json").out)["nodes"]
    assert re.match(r"  merged  [\d.]+ KB of experts read, [\d.]+ KB planned \(\d+% of all\)$", lines[0])
    assert re.match(
        r"          error [\d.]+% of the update, <= \S+ of the weights, the cast adds <= \S+%$", lines[1]
    )
    assert node["actual"]["expert_bytes"] <= node["reads"]["physical"] == node["estimate"]["expert_reads"][1]
    assert node["reads"]["certificate"]["tight"]


def test_a_result_that_is_reused_keeps_its_account(run, fusec) -> None:
    first, again = run(), run()
    nodes = [json.loads(path.read_text())["nodes"][0] for path in (first, again)]
    assert [node["state"] for node in nodes] == ["computed", "reused"]
    assert nodes[0]["reads"] == nodes[1]["reads"] is not None
    assert "of the update" in fusec("show", again).out


def test_bytes_that_analysis_took_are_shown(family, fusec) -> None:
    spec = family / "spec.fuse"
    spec.write_text(spec.read_text().replace("  block:", "  analysis: sampled\n  block:"))
    manifest = json.loads(fusec("run", "spec.fuse", "--json", "--set", "reads=60%").out)["manifest"]
    lines = merged_lines(fusec("show", manifest).out)
    assert lines[0].endswith("to analyse") and re.search(r"error about .* no bound", lines[1])


def test_a_full_merge_says_what_it_read(run, fusec) -> None:
    lines = merged_lines(fusec("show", run("--set", "reads=100%")).out)
    assert len(lines) == 1 and "KB of experts read" in lines[0]


# --- differences ------------------------------------------------------------------------------


@pytest.fixture
def plans(analysed, fusec) -> tuple[Path, Path]:
    for share in ("10%", "30%"):
        fusec("plan", "spec.fuse", "--set", f"reads={share}", "-o", f"{share[:2]}.plan")
    return Path("10.plan"), Path("30.plan")


def reads_of(said: str) -> str:
    """The section of a difference that tells what is read, its lines not wrapped."""
    (section,) = re.findall(r"^reads\n((?:  .*\n)+)", said, re.MULTILINE)
    return re.sub(r"->\n\s+", "-> ", section)


def test_the_difference_of_two_budgets_is_told_by_expert(plans, fusec) -> None:
    said = fusec("diff", *plans)
    assert said.code == 2
    lines = reads_of(said.out).splitlines()
    assert re.match(r"  ~ merged: .*\(.*%\), error .* -> .*\(.*%\), error .* of the update$", lines[0])
    more = {line.split(":")[0].strip(): int(line.split()[1]) for line in lines[1:] if " more block" in line}
    back = fusec("diff", *reversed(plans)).out
    assert more and all(f"{name}: {count} less block" in back for name, count in more.items())


def test_runs_differ_as_their_plans_do(plans, run, fusec) -> None:
    runs = [run("--set", f"reads={plan.stem}%") for plan in plans]
    of_plans, of_runs = fusec("diff", *plans).out, fusec("diff", *runs).out
    assert reads_of(of_plans) == reads_of(of_runs) != ""


def test_another_size_of_block_is_no_other_choice(plans, analysed, fusec) -> None:
    fusec("catalog", "analyze", "math", "code", "law", "--base", "base", "--gram", "--block", 8192)
    spec = analysed / "spec.fuse"
    spec.write_text(spec.read_text().replace("block: 4096", "block: 8192"))
    fusec("plan", "spec.fuse", "--set", "reads=10%", "-o", "other.plan")
    assert "    blocks of 4096 elements -> 8192\n" in fusec("diff", "10.plan", "other.plan").out


# --- a limit over all merges --------------------------------------------------------------------


def test_a_limit_that_no_analysis_lets_divide_names_the_analysis(family, fusec) -> None:
    spec = family / "spec.fuse"
    text = (
        spec.read_text()
        .replace("  expert_reads: reads\n  block: 4096\n", "")
        .replace("param reads = 20%\n", "")
    )
    spec.write_text(text + "\nbudget {\n  expert_reads: 200 KB\n}\n")
    said = fusec("plan", "spec.fuse")
    assert said.code == 1 and "FUSE301" in said.err
    found = re.search(r"fix: run `fusec (catalog analyze .*)`  \(reads", said.err)
    assert found is not None
    assert fusec(*found[1].split()).code == 0
    said = fusec("plan", "spec.fuse")
    assert said.code == 0 and merged_lines(said.out)


def test_what_fits_is_offered_as_a_share(analysed, fusec) -> None:
    spec = analysed / "spec.fuse"
    spec.write_text(spec.read_text() + "\nbudget {\n  expert_reads: 50 KB\n}\n")
    said = fusec("plan", "spec.fuse")
    assert "catalog analyze" not in said.err, "everything is known already"
    found = re.search(r"--set (reads=[\d.]+%)", said.err)
    assert found is not None and fusec("plan", "spec.fuse", "--set", found[1]).code == 0


def test_a_mean_under_a_budget_reads_the_base_once(analysed, fusec) -> None:
    spec = analysed / "spec.fuse"
    mean = spec.read_text().replace("[math: 0.4, code: 0.4, law: 0.2]", "[math, code, law]")
    spec.write_text(mean.replace("task_arithmetic", "average"))
    (node,) = (
        n for n in json.loads(fusec("plan", "spec.fuse", "--json").out)["nodes"] if n["verb"] == "merge"
    )
    base = node["reads_bytes"] - node["expert_reads"]["bytes"]
    assert base == 2 * 8 * 4096 * 4 + 64 * 4

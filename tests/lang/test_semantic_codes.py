"""The codes about names, types, budgets, determinism: what each one says, and the page behind it.

Whether the specs on the pages fail and pass as they claim is tested with the compiler.
"""

from __future__ import annotations

import inspect
import re

import pytest

from fusec.lang.codes.fuse301_over_budget import OverBudget
from fusec.lang.diagnostics import Diagnostic, Edit, all_codes
from fusec.lang.render import as_json, render
from fusec.lang.source import Source, Span

SPEC = Source(
    "generalist.fuse",
    """\
edition 2026

model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
model law from "fixture:llama-b"

data few from "fixture:pairs"
  |> select { prompt: .prompt }
  |> sample { rows: 100 }
  |> shuffle

model merged = merge {
  base: base
  experts: [mathe, law]
  expert_read: 24 GB
}
""",
)


def at(text: str) -> Span:
    start = SPEC.text.index(text)
    return SPEC.span(start, start + len(text))


BASE, MATH, LAW, MERGED = at("base"), at("math"), at("law"), at("merged")

# Fields of one or more messages per code: every branch of its wording is read below.
EXAMPLES: dict[str, list[dict[str, object]]] = {
    "FUSE101": [
        {"name": "mathe", "at": at("mathe"), "known": (("math", MATH), ("base", BASE), ("ties", None))},
        {"name": "zebra", "at": at("mathe"), "known": (("base", BASE), ("ties", None))},
        {"name": "tie", "at": at("mathe"), "known": (("ties", None),)},
        {"name": "zebra", "at": at("mathe"), "known": ()},
    ],
    "FUSE102": [{"name": "law", "at": LAW, "first": MATH}],
    "FUSE103": [
        {"owner": "merge", "name": "expert_read", "at": at("expert_read"), "known": ("base", "expert_reads")},
        {"owner": "average", "name": "scale", "at": LAW, "known": (), "what": "argument"},
    ],
    "FUSE104": [
        {"owner": "merge", "name": "method", "at": at("merge"), "wants": "one of average, linear, ties"},
        {"owner": "ties", "name": "density", "at": LAW, "what": "argument", "wants": "Share"},
        {"owner": "generalist.fuse", "name": "release", "at": LAW, "what": "parameter", "wants": "Str"},
    ],
    "FUSE105": [
        {"steps": (("merged", MERGED, "math"), ("math", MATH, "law"), ("law", LAW, "merged"))},
        {"steps": (("merged", MERGED, "merged"),)},
    ],
    "FUSE106": [
        {"path": "experts.fuse", "at": LAW, "reason": "no such file"},
        {"path": "lawe", "at": LAW, "reason": "not installed", "packages": ("law", "maths")},
        {"path": "zebra", "at": LAW, "reason": "not installed", "packages": ()},
    ],
    "FUSE107": [
        {"name": "merg", "at": at("merge"), "known": ("merge", "mix")},
        {"name": "frobnicate", "at": at("merge"), "known": ("average", "ties"), "what": "method"},
        {"name": "keept", "at": LAW, "known": ("dropped", "kept"), "what": "word"},
    ],
    "FUSE108": [
        {"name": "math", "at": MATH, "kind": "model"},
        {"name": "reads", "at": MATH, "kind": "param"},
    ],
    "FUSE109": [{"name": "ties", "at": MATH, "what": "a merge method"}],
    "FUSE110": [
        {"uri": "fixtures:llama-b", "scheme": "fixtures", "at": LAW, "known": ("fixture", "hf", "pkg")},
        {"uri": "Qwen/Qwen3-8B", "scheme": "", "at": LAW, "known": ("fixture", "hf", "pkg")},
    ],
    "FUSE111": [
        {"name": "raeds", "at": LAW, "known": ("reads", "seed")},
        {"name": "zebra", "at": LAW, "known": ()},
    ],
    "FUSE112": [
        {"family": "expert", "key": "maths", "at": MATH, "known": ("code", "math"), "declared": LAW},
        {"family": "expert", "key": "zebra", "at": MATH, "known": ("code", "math"), "declared": None},
    ],
    "FUSE113": [{"name": "math", "at": MATH, "what": "`./missing-model` is neither a folder nor a file."}],
    "FUSE114": [{"name": "math", "at": MATH, "what": "`model.safetensors` ends 96 bytes early."}],
    "FUSE115": [{"package": "acme", "at": LAW, "what": "importing it fails: ValueError: no"}],
    "FUSE116": [{"name": "critic", "at": LAW, "holds": "a user or a password"}],
    "FUSE201": [
        {
            "other": "law",
            "other_at": LAW,
            "other_is": "llama31_8b: 291 tensors, vocabulary 128256",
            "base": "base",
            "base_at": BASE,
            "base_is": "qwen3_8b: 399 tensors, vocabulary 151936",
            "detail": "`lm_head.weight` is 128256 x 4096, and 151936 x 4096 in `base`",
            "reason": reason,
        }
        for reason in ("space", "root")
    ],
    "FUSE202": [
        {
            "other": "law",
            "other_at": LAW,
            "base": "base",
            "base_at": BASE,
            "annotation": 'model law: Model[_, _, root: base] from "fixture:llama-b"',
        }
    ],
    "FUSE203": [
        {
            "other": "law",
            "other_at": LAW,
            "other_is": "67 tokens",
            "base": "base",
            "base_at": BASE,
            "base_is": "64 tokens",
            "adds": adds,
        }
        for adds in (None, 1, 3)
    ],
    "FUSE204": [
        {
            "needs": "pair",
            "column": "rejected",
            "at": at("few"),
            "has": ("prompt",),
            "why_needed": "preference fusion compares two answers to each prompt",
            "dropped_at": at("select"),
        },
        {"needs": "filter", "column": "promt", "at": at(".prompt"), "has": ("prompt",), "why_needed": "it"},
        {"needs": "filter", "column": "zebra", "at": at("few"), "has": (), "why_needed": "it"},
    ],
    "FUSE205": [{"column": "quality", "at": at("few"), "has": "Float", "wants": "Str", "by": "tokens"}],
    "FUSE206": [{"at": LAW, "got": "`90 min` is a Time", "wants": "a Size", "what": "expert_reads"}],
    "FUSE207": [
        {"at": at("few"), "got": "Data", "wants": "Model", "by": "model", "declared": MATH},
        {"at": at("24 GB"), "got": "a Size", "wants": "a Model", "by": "the declaration"},
    ],
    "FUSE208": [
        {
            "at": MATH,
            "name": "expert",
            "keys": ("math", "code", "law"),
            "other_at": LAW,
            "other": "probe",
            "other_keys": ("math", "code"),
        }
    ],
    "FUSE209": [{"at": LAW, "slot": "experts", "verb": "merge"}],
    "FUSE210": [
        {
            "name": "critic",
            "at": LAW,
            "gives": gives,
            "wants": wants,
            "asks": asks,
            "asks_at": MERGED if asks == "merge" else LAW,
            "declared": declared,
        }
        for gives, wants, asks, declared in (
            ("Sampler", "Scorer", "this loss", MATH),
            ("Scorer", "Model", "merge", MATH),
            ("Sampler", "Model", "merge", None),
        )
    ],
    "FUSE211": [{"at": LAW, "result": "score"}],
    "FUSE212": [{"at": LAW, "what": "density", "got": "1.5", "allowed": "above 0, at most 1"}],
    "FUSE213": [
        {"name": "law", "at": LAW, "found": "its tensors are numbered in `a` and `b`", "declared": BASE},
        {"name": "law", "at": LAW, "found": "", "declared": None},
    ],
    "FUSE301": [
        {
            "at": LAW,
            "limit": "gpu",
            "needs": "512 gpu-hours",
            "allows": "420",
            "spenders": (
                ("final", "266", "52%", "generalist.fuse:12"),
                ("expert", "84", "16%", "3 x 28"),
            ),
            "ways": (("steps: 130 in `final`", "fits at 419"), ("--set polish=false", "fits at 246")),
        },
        {"at": LAW, "limit": "reads", "needs": "2.1 MB", "allows": "1 KB", "spenders": ()},
    ],
    "FUSE302": [{"at": LAW, "verb": "merge", "needs": "2.1 MB", "allows": "1 KB"}],
    "FUSE303": [
        {
            "step": "merged",
            "target": "cluster",
            "at": MERGED,
            "asks": "asks for 12 GPUs in one placement group",
            "has": ((BASE, "a node has 8"),),
            "ways": ("ask for `gpus(8)`", "allow `spread: true`"),
            "machine": machine,
        }
        for machine in ("node", "machine")
    ],
    "FUSE304": [
        {
            "step": "merged",
            "target": "laptop",
            "at": MERGED,
            "needs": "28.8 GB",
            "spread": spread,
            "has": ((BASE, "gives 24 GB"),),
        }
        for spread in ("25.6 GB .. 38.4 GB", "")
    ],
    "FUSE305": [
        {"target": "laptop", "at": LAW, "needs": "9 GB", "has": "1 KB", "writers": (("merged", "9 GB"),)}
    ],
    "FUSE306": [
        {"at": LAW, "steps": ("merged",), "machine": BASE},
        {"at": LAW, "steps": ("merged", "few"), "machine": None},
    ],
    "FUSE307": [{"at": LAW, "limit": "teacher", "uses": "tokens of a teacher"}],
    "FUSE308": [
        {"at": LAW, "slot": "max_error", "method": "ties", "method_at": MATH, "others": ("average", "linear")}
    ],
    "FUSE309": [
        {
            "at": LAW,
            "slot": "expert_reads",
            "unknown": ("math", "code"),
            "command": "fusec catalog analyze ./math ./code --base ./base",
            "reads": reads,
        }
        for reads in ("", "2.1 GB")
    ],
    "FUSE310": [
        {
            "step": "merged",
            "limit": "expert_reads",
            "used": "9 GB",
            "allows": "8 GB",
            "finished": finished,
        }
        for finished in (False, True)
    ],
    "FUSE401": [
        {"verb": "sample", "at": at("sample")},
        {"verb": "dropout", "at": at("shuffle")},
    ],
    "FUSE402": [{"name": "math", "at": MATH, "what": "not in the lock"}],
    "FUSE403": [{"name": "math", "at": MATH, "what": "names a branch, which moves"}],
    "FUSE405": [
        {
            "output": "merged",
            "at": MERGED,
            "grade": grade,
            "required": "exact",
            "step": "math",
            "verb": "finetune",
            "step_at": MATH,
        }
        for grade in ("seeded", "external")
    ],
    "FUSE406": [{"step": "merged", "recorded": "1f0c7a22d9b1", "made": "77b9c04e5a10"}],
    "FUSE407": [{"recorded": "torch 2.12.0", "found": "torch 2.13.0"}],
    "FUSE501": [
        {"at": LAW, "path": "./probe.jsonl", "size": size, "target": "cluster", "place": BASE}
        for size in ("3.1 MB", "")
    ],
    "FUSE502": [{"at": LAW, "store": "./store", "target": "cluster"}],
    "FUSE503": [
        {"step": "merged", "target": "old", "at": MERGED, "dtype": "bf16", "devices": ((BASE, "v100"),)}
    ],
    "FUSE504": [
        {"planned": "acme 1.2#4c1f", "here": "acme 1.3#77b9 is installed here", "hint": "plan again"}
    ],
    "FUSE505": [{"what": "the plan quick.plan", "format": 9, "newest": 1}],
    "FUSE506": [{"at": LAW, "path": "./Math", "other_at": MATH, "other": "./math"}],
    "FUSE507": [
        {
            "result": "merged",
            "at": MERGED,
            "first": "math",
            "first_licence": "gpl-3.0",
            "first_at": MATH,
            "second": second,
            "second_licence": "cc-by-nc-4.0",
            "second_at": place,
            "reason": "they say so",
        }
        for second, place in (("math", MATH), ("law", LAW))
    ],
}

PAGES = [code for code in all_codes() if code[4] in "12345"]
WHILE_RUNNING = ("FUSE310", "FUSE406", "FUSE407", "FUSE504", "FUSE505")  # no text is to blame
BANNED = re.compile(r"\b(you|your|please|invalid|illegal|oops|sorry)\b|!", re.IGNORECASE)


def example(code: str, number: int = 0) -> Diagnostic:
    return all_codes()[code](**EXAMPLES[code][number])


def page(code: str) -> str:
    return inspect.cleandoc(all_codes()[code].__doc__ or "")


def blocks(text: str, fence: str) -> list[str]:
    return re.findall(rf"^```{fence}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def applied(edits: tuple[Edit, ...]) -> str:
    text = SPEC.text
    for edit in sorted(edits, key=lambda e: e.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def everything(said: Diagnostic) -> list[str]:
    return [
        said.title(),
        *(mark.note for mark in said.marks()),
        *(part for table in said.tables() for part in table),
        said.why(),
        *(fix.say for fix in said.fixes()),
        said.see(),
    ]


def test_every_code_has_an_example() -> None:
    assert list(EXAMPLES) == PAGES


@pytest.mark.parametrize(
    ("code", "number"), [(code, number) for code, made in EXAMPLES.items() for number in range(len(made))]
)
def test_messages_keep_the_house_style(code: str, number: int) -> None:
    said = example(code, number)
    assert said.title()[-1] not in ".,:;!?"
    assert "\n" not in said.title()
    assert bool(said.marks()) == (code not in WHILE_RUNNING)
    assert all("\n" not in mark.note for mark in said.marks())
    for text in everything(said):
        assert not BANNED.search(text.replace("!=", "")), text
        assert text.count("`") % 2 == 0, text
        assert text == text.strip(), text
        assert "None" not in text, text
    notes = [mark.note for mark in said.marks()]
    assert said.why() or said.fixes()
    assert said.title() not in [*notes, said.why(), *(fix.say for fix in said.fixes())]
    for fix in said.fixes():
        assert (fix.grade is None) == (not fix.edits), "a grade is a promise about an edit"


@pytest.mark.parametrize("code", PAGES)
def test_pages_explain_with_a_failing_and_a_mended_spec(code: str) -> None:
    text = page(code)
    first = text.split("\n\n")[0]
    assert "\n" not in first and re.fullmatch(r"[A-Z][^.]*\.", first), first
    assert not BANNED.search(text)
    failing, mended = blocks(text, "fuse fails"), blocks(text, "fuse")
    if blocks(text, "console"):
        assert not failing and not mended
        return
    assert len(failing) == len(mended) == 1
    for spec in (*failing, *mended):
        assert spec.startswith("edition 2026\n")
        assert re.search(r'^output \S+ to "\./out/', spec, re.MULTILINE)
    assert failing != mended


@pytest.mark.parametrize(
    ("code", "number", "title"),
    [
        ("FUSE101", 0, "nothing here is called `mathe`"),
        ("FUSE103", 0, "`merge` has no slot `expert_read`"),
        ("FUSE104", 0, "`merge` needs the slot `method`"),
        ("FUSE104", 2, "the parameter `release` has no value"),
        ("FUSE105", 0, "`merged` is made from itself"),
        ("FUSE110", 1, "`Qwen/Qwen3-8B` does not say where it comes from"),
        ("FUSE201", 0, "`law` lives in another weight space than `base`"),
        ("FUSE201", 1, "`law` descends from another checkpoint than `base`"),
        ("FUSE204", 0, "`pair` needs the column `rejected`"),
        ("FUSE206", 0, "`90 min` is a Time, `expert_reads` wants a Size"),
        ("FUSE207", 0, "`few` is Data, `model` wants a Model"),
        ("FUSE207", 1, "this is a Size, the declaration wants a Model"),
        ("FUSE212", 0, "`density` cannot be 1.5"),
        ("FUSE301", 0, "the plan needs 512 gpu-hours, the budget allows 420"),
        ("FUSE401", 0, "`sample` needs a seed"),
    ],
)
def test_titles(code: str, number: int, title: str) -> None:
    assert example(code, number).title() == title


@pytest.mark.parametrize(
    ("code", "number", "before", "after", "grade"),
    [
        ("FUSE101", 0, "[mathe, law]", "[math, law]", "maybe"),
        ("FUSE103", 0, "expert_read:", "expert_reads:", "safe"),
        ("FUSE204", 0, "{ prompt: .prompt }", "{ prompt: .prompt, rejected: .rejected }", "maybe"),
        ("FUSE401", 0, "sample { rows: 100 }", "sample { seed: 17, rows: 100 }", "safe"),
        ("FUSE401", 1, "shuffle\n", "shuffle { seed: 17 }\n", "safe"),
    ],
)
def test_edits_mend_the_text(code: str, number: int, before: str, after: str, grade: str) -> None:
    (fix,) = example(code, number).fixes()
    assert fix.grade == grade
    assert applied(fix.edits) == SPEC.text.replace(before, after)


def test_the_nearest_name_is_shown_with_its_place() -> None:
    assert example("FUSE101").marks()[0].note == "`math` is declared on line 4"


def test_a_place_in_another_file_is_named() -> None:
    other = Source("experts.fuse", 'edition 2026\nmodel math from "fixture:llama-a-math"\n')
    said = all_codes()["FUSE101"](name="mathe", at=LAW, known=(("math", other.span(19, 23)),))
    assert said.marks()[0].note == "`math` is declared on line 2 of experts.fuse"


def test_a_doubtful_slot_is_not_rewritten_as_safe() -> None:
    said = all_codes()["FUSE103"](
        owner="merge", name="expert_read", at=at("expert_read"), known=("expert_rates",)
    )
    assert [fix.grade for fix in said.fixes()] == ["maybe"]


def test_spenders_stand_in_columns_and_ways_under_each_other() -> None:
    said = example("FUSE301")
    assert said.tables() == (
        (
            "where it goes",
            "final    266   52%   generalist.fuse:12\nexpert    84   16%   3 x 28",
        ),
    )
    assert [fix.say for fix in said.fixes()] == [
        "any one of   steps: 130 in `final`   fits at 419\n             --set polish=false      fits at 246"
    ]


def test_amounts_of_several_units_keep_them() -> None:
    rows = (("base", "1 min 6 s", "60%", ""), ("expert", "39 s", "40%", ""))
    said = OverBudget(at("few"), "wall", needs="1 min 45 s", allows="1 s", spenders=rows)
    assert said.title() == "the plan needs 1 min 45 s, the budget allows 1 s"
    assert said.tables()[0][1] == "base     1 min 6 s   60%\nexpert        39 s   40%"


def test_families_say_which_keys_they_lack() -> None:
    assert [mark.note for mark in example("FUSE208").marks()] == ["has math, code, law", "lacks law"]


def test_tables_are_printed_and_exported() -> None:
    said = example("FUSE301")
    assert (
        "  where it goes:   final    266   52%   generalist.fuse:12\n"
        "                   expert    84   16%   3 x 28\n"
    ) in render(said)
    assert as_json(said)["tables"][0]["label"] == "where it goes"

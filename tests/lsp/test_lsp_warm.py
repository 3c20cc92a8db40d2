"""An edit checked warm gives what a cold check of the whole text gives."""

import gc
import random
import weakref
from pathlib import Path

import pytest
import recovery

pytest.importorskip("pygls", reason='the language server needs pygls: pip install "fusec[lsp]"')

from fusec.cli.lsp.document import Document, cut
from fusec.cli.lsp.warm import Memory
from fusec.compiler.check import check
from fusec.compiler.facts import SourceProblem
from fusec.compiler.files import File
from fusec.lang import tree
from fusec.lang.lexer import words
from fusec.lang.parse import parse
from fusec.lang.source import Source
from fusec.runtime.session import Session

SPECS = Path(__file__).parents[2] / "specs"
SPEC = (SPECS / "quickstart.fuse").read_text()
QUOTES = SPEC.replace(
    "data code",
    '# """\nlet long = """\nmodel fake = 3\n# one\ndata x\n"""\n\n'
    "let raw = '''\n\"\"\"\nlet y\n'''\n\ndata code",
)


def said(problems):
    """Each message with every place in it, as positions of the file."""
    return sorted(
        (
            p.code,
            p.title(),
            p.why(),
            *(f.say for f in p.fixes()),
            *(str(m.span) + m.span.text for m in p.marks()),
        )
        for p in problems
    )


def edits(text, seed, count):
    """Texts that follow from each other by one word dropped, doubled, moved or brought back."""
    chance = random.Random(seed)
    now = text
    for _ in range(count):
        tokens = words(Source("", now)).tokens
        token, other = chance.choice(tokens), chance.choice(tokens)
        word = now[other.start : other.end]
        match chance.randrange(4):
            case 0:
                now = now[: token.start] + now[token.end :]
            case 1:
                now = now[: token.start] + word + now[token.end :]
            case 2:
                now = now[: token.start] + f"{word} " + now[token.start :]
            case _:
                now = text
        yield now


@pytest.mark.parametrize("text", [SPEC, QUOTES])
def test_parts_parse_apart_as_they_do_together(text):
    for now in [text, *edits(text, 1, 60)]:
        assert "".join(cut(now)) == now
        document, whole = Document("x", now), parse(Source("x", now))
        assert tree.dump(document.declarations) == tree.dump(whole.file.declarations)
        assert [d.doc for d in document.declarations] == [d.doc for d in whole.file.declarations]
        assert said(document.parsed.problems) == said(whole.problems)


@pytest.mark.parametrize("seed", range(4))
def test_a_warm_check_says_what_a_cold_one_says(seed):
    facts = Session(SPECS / "quickstart.fuse").facts
    document, memory = Document("x", SPEC), Memory()
    memory.check(document.parsed, facts)
    for now in edits(SPEC, seed, 40):
        document.edit(now)
        warm, cold = memory.check(document.parsed, facts), check(parse(Source("x", now)), facts)
        assert said(warm.problems) == said(cold.problems)
        assert warm.steps.keys() == cold.steps.keys()
        assert {name: step.type for name, step in warm.steps.items()} == {
            name: step.type for name, step in cold.steps.items()
        }
        assert warm.sources == cold.sources


def test_only_what_an_edit_reaches_is_evaluated_again():
    asked = []

    def facts(request):
        asked.append(request.uri)
        return SourceProblem("missing", "no file", "look")

    text = "edition 2026\n\n" + "\n\n".join(f'data d{n} from "{n}.jsonl"' for n in range(5)) + "\n"
    document, memory = Document("x", text), Memory()
    memory.check(document.parsed, facts)
    asked.clear()
    document.edit(text.replace("2.jsonl", "two.jsonl").replace("edition 2026\n", "edition 2026\n\n\n"))
    memory.check(document.parsed, facts)
    assert asked == ["two.jsonl"]


# --- specs that use each other -------------------------------------------------------

MODULES = {
    "main": """edition 2026

param seed = 1
let kinds = ["a", "b"]
let least = 3

use "rows.fuse"(least: least) as rows
use "rows.fuse"(least: 5, name: k) as each[k in kinds]
use "{kinds[0]}.fuse" as other

data some = rows.picked |> sample { rows: rows.few }
data both = mix { parts: [each["a"].picked, each["b"].deep], rows: 4 }
data more = rows.picked |> filter { keep: len(.prompt) > other.n }

output some to "./out/some"
output both to "./out/both"
output more to "./out/more"
""",
    "rows": """edition 2026

param seed = 2
param least = 1
param name = "x"
let few = 2 rows

use "a.fuse"(n: least) as inner

data raw from "fixture:pairs"
data picked = raw |> filter { keep: len(.prompt) > least + inner.n }
data deep = inner.shuffled
data spare = raw |> sample { rows: few }
""",
    "a": """edition 2026

param seed = 3
param n = 4
data all from "fixture:pairs"
data shuffled = all |> shuffle { }
""",
}


class Texts:
    """Files in memory: parsed as a whole, or documents that keep what was not edited."""

    main = "main.fuse"

    def __init__(self, parsed):
        self.parsed = parsed

    def read(self, path):
        found = self.parsed(path)
        return "no such file" if found is None else File(path, found)


def cold_texts(texts):
    known = {f"{name}.fuse": parse(Source(f"{name}.fuse", text)) for name, text in texts.items()}
    return Texts(known.get)


def warm_texts(documents):
    def parsed(path):
        name, dot, _ = path.rpartition(".fuse")
        return documents[name].parsed if dot and name in documents else None

    return Texts(parsed)


def edits_of_several(seed, count):
    """Now this file is edited, now that; at times all are as they were."""
    chance = random.Random(seed)
    running = {name: edits(text, seed, 10**6) for name, text in MODULES.items()}
    texts = dict(MODULES)
    for _ in range(count):
        name = chance.choice(list(MODULES))
        texts[name] = next(running[name]) if chance.random() < 0.8 else MODULES[name]
        if chance.random() < 0.1:
            texts = dict(MODULES)
        yield dict(texts)


@pytest.mark.parametrize("seed", range(6))
def test_an_edit_in_any_file_gives_what_a_cold_check_gives(seed):
    documents = {name: Document(f"{name}.fuse", text) for name, text in MODULES.items()}
    memory, files = Memory(), warm_texts(documents)
    memory.check(documents["main"].parsed, recovery.facts, files=files)
    for texts in edits_of_several(seed, 40):
        for name, text in texts.items():
            if documents[name].text != text:
                documents[name].edit(text)
        warm = memory.check(documents["main"].parsed, recovery.facts, files=files)
        main = parse(Source("main.fuse", texts["main"]))
        cold = check(main, recovery.facts, files=cold_texts(texts))
        assert said(warm.problems) == said(cold.problems)
        assert {name: step.type for name, step in warm.steps.items()} == {
            name: step.type for name, step in cold.steps.items()
        }
        assert warm.sources == cold.sources
        assert warm.files.keys() == cold.files.keys()


def test_only_what_an_edit_of_a_used_file_reaches_is_evaluated_again():
    asked = []

    def facts(request):
        asked.append(request.uri)
        return recovery.facts(request)

    both = 'edition 2026\n\ndata one from "fixture:pairs"\n\ndata two from "fixture:pairs" { split: "b" }\n'
    main = 'edition 2026\n\nuse "both.fuse" as b\n\ndata c from "fixture:math"\n\noutput b.one to "./x"\n'
    documents = {"main": Document("main.fuse", main), "both": Document("both.fuse", both)}
    memory, files = Memory(), warm_texts(documents)
    memory.check(documents["main"].parsed, facts, files=files)
    assert len(asked) == 3
    asked.clear()
    documents["both"].edit(both.replace('"b"', '"c"'))
    memory.check(documents["main"].parsed, facts, files=files)
    assert asked == ["fixture:pairs"]
    asked.clear()
    documents["main"].edit(main.replace('"./x"', '"./y"'))
    memory.check(documents["main"].parsed, facts, files=files)
    assert asked == []


def test_no_check_keeps_the_one_before_it():
    documents = {name: Document(f"{name}.fuse", text) for name, text in MODULES.items()}
    memory, files = Memory(), warm_texts(documents)
    alive = []
    for number in range(5):
        documents["main"].edit(MODULES["main"].replace("least = 3", f"least = {number}"))
        memory.check(documents["main"].parsed, recovery.facts, files=files)
        alive.append(weakref.ref(memory.recall.checkers["", ""]))
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 2

"""An edit checked warm gives what a cold check of the whole text gives."""

import random
from pathlib import Path

import pytest

pytest.importorskip("pygls", reason='the language server needs pygls: pip install "fusec[lsp]"')

from fusec.cli.lsp.document import Document, cut
from fusec.cli.lsp.warm import Memory
from fusec.compiler.check import check
from fusec.compiler.facts import SourceProblem
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

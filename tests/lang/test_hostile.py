"""Texts made to hurt: each ends in a message, and soon. The longest may take a second on an idle machine."""

from __future__ import annotations

import time

import fuzz
import pytest

from fusec.lang.parse import parse
from fusec.lang.render import render
from fusec.lang.source import Source

MB = 1_000_000
BASE = 'model b from "fixture:llama-a"\n'
DATA = 'data d from "fixture:pairs"\n'
PATIENCE = 20.0  # seconds; far above the promise of one, as tests run beside others


def chain(link: str, end: str, length: int) -> str:
    """`let a0 = ...` to `let aN = end`, each made of the next, written {next} in `link`."""
    links = "".join(f"let a{i} = {link.replace('NEXT', f'a{i + 1}')}\n" for i in range(length))
    return f"{links}let a{length} = {end}\n"


HOSTILE = {
    "brackets": ("let a = " + "[" * 10_000 + "]" * 10_000, "FUSE002"),
    "parentheses": ("let a = " + "(" * 10_000 + "1" + ")" * 10_000, "FUSE002"),
    "blocks": ("model a = " + "merge { base: " * 10_000 + "1" + "}" * 10_000, "FUSE002"),
    "types": ("param a: " + "Model[" * 10_000 + "x" + "]" * 10_000, "FUSE002"),
    "conditions": ("let a = " + "if true then 1 else " * 10_000 + "1", "FUSE002"),
    "sum": ("let a = " + "1 + " * 10_000 + "1", "FUSE002"),
    "strings in strings": ('let a = "' + '{"' * 1000 + '}"' * 1000, "FUSE00"),
    "float out of range": ("let a = 1e999", "FUSE002"),
    "digits": ("let a = " + "9" * 100_000, "FUSE002"),
    "digits with a unit": ("let a = " + "9" * 100_000 + " GB", "FUSE002"),
    "bytes": ("budget { expert_reads: 9999999999999999999999 GB }", "FUSE212"),
    "product": (chain("NEXT * NEXT", "9999999999", 60), "FUSE212"),
    "look-alikes": ("lеt b = 1\nlet с = “x”", "FUSE008"),
    "carriage returns": ("let a = 1\rlet b = 2\r", "FUSE003"),
    "byte order mark": ("\ufefflet a = 1", "FUSE008"),
    "nothing at all": ("let a = \x001", "FUSE002"),
    "one long line": ("let a = " + "x " * (MB // 2), "FUSE002"),
    "nothing but openers": ("[" * MB, "FUSE002"),
    "openers in turn": ("([{" * 30_000, "FUSE002"),
    "closers that fit nothing": ("let a = " + "(]" * 40_000, "FUSE002"),
    "unclosed string after much": ("let b = 1\n" * 100_000 + 'let a = "x', "FUSE002"),
    "unclosed string": ("#" * 400_000 + '\nlet a = "x', "FUSE001"),
    "unclosed long string": ('let a = """' + "x\n" * 200_000, "FUSE001"),
    "unclosed interpolations": ('let a = "' + "{(x" * 100_000 + '"', "FUSE007"),
    "many interpolations": ('let a = 1\nlet b = "' + "{a}" * 100_000 + '"', "FUSE007"),
    "bad escapes": ('let a = "' + "\\q" * 200_000 + '"', "FUSE007"),
    "long name": ("let " + "n" * 400_000 + " = 1", "FUSE002"),
    "marks without meaning": ("$" * 200_000, "FUSE002"),
    "smart quotes": ("“" * 100_000, "FUSE008"),
    "many slots": ("budget {\n" + "a: 1\n" * 100_000 + "}", "FUSE002"),
    "many stages": (DATA + "  |> filter { keep: .quality > 0.5 }\n" * 20_000, "FUSE002"),
    "many unknown names": ("".join(f"let a{i} = b{i}\n" for i in range(10_000)), "FUSE101"),
    "lists of lists": (chain("[NEXT, NEXT]", "b", 60) + BASE + "model m = best { of: a0 }", "FUSE"),
    "text of text": (chain('"{NEXT}{NEXT}"', '"x"', 60), "FUSE212"),
    "text and text": (chain("NEXT + NEXT", '"x"', 60), "FUSE212"),
    "comprehensions": (
        "let k = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nlet e = "
        + "[" * 8 + "0" + "".join(f" for v{i} in k]" for i in range(8)),
        "FUSE212",
    ),
    "a family too large": (
        "let k = [" + ",".join(f'"{i}"' for i in range(10_001)) + "]\nlet e[t in k] = t",
        "FUSE212",
    ),
    "a million keys written out": (
        "let k = [" + ",".join(f'"{i}"' for i in range(MB)) + "]\nmodel e[t in k]" + BASE[7:],
        "FUSE002",
    ),
    "a million members": (
        "let x = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\nlet k = "
        + "[" * 6 + '"{v0}{v1}{v2}{v3}{v4}{v5}"' + "".join(f" for v{i} in x]" for i in range(6))
        + "\nmodel e[t in k]" + BASE[7:],
        "FUSE212",
    ),
    "many families": (
        "let k = [" + ",".join(f'"{i}"' for i in range(10_000)) + "]\n"
        + "".join(f"model e{i}[t in k]{BASE[7:]}" for i in range(100)),
        "FUSE212",
    ),
    "carriage returns and line ends": ("let a = 1\r\nlet b = a +\r\n", "FUSE002"),
    "NUL everywhere": ("\x00".join("let a = 1\n" * 1000), "FUSE002"),
    "one line of a megabyte in a text": ('let a = "' + "x" * MB + "\n", "FUSE00"),
}  # fmt: skip


MANY = "let k = [" + ",".join(f'"{i}"' for i in range(9_000)) + "]\n"
LISTS = "".join(f"let a{i} = {[*range(99)]}\n" for i in range(300))
KEYS = "let k = [" + ",".join(f'"{i}"' for i in range(990)) + "]\n"

BOMBS = {
    "a file that uses itself": ({fuzz.MAIN: f'use "{fuzz.MAIN}" as a'}, "FUSE106"),
    "files in a circle": ({fuzz.MAIN: 'use "a" as a', "a": 'use "b" as b', "b": 'use "a" as a'}, "FUSE106"),
    "a long chain of files": (
        {fuzz.MAIN: 'use "0" as a'} | {f"{i}": f'use "{i + 1}" as a' for i in range(1000)},
        "FUSE106",
    ),
    "two uses in each file": (
        {fuzz.MAIN: 'use "0" as a'} | {f"{i}": f'use "{i + 1}" as a\nuse "{i + 1}" as b' for i in range(40)},
        "FUSE212",
    ),
    "a family of files too large": (
        {fuzz.MAIN: MANY + 'use "a" as a[i in k]', "a": ""},
        "FUSE212",
    ),
    "families of families of files": (
        {fuzz.MAIN: KEYS + 'use "a" as a[i in k]', "a": KEYS + 'use "b" as b[i in k]', "b": ""},
        "FUSE212",
    ),
    "a family of a file with many sources": (
        {fuzz.MAIN: KEYS + 'use "a" as a[i in k]', "a": "".join(f"data d{i}{DATA[6:]}" for i in range(1000))},
        "FUSE212",
    ),
    "a family of a file with long lists": (
        {fuzz.MAIN: KEYS + 'use "a" as a[i in k]', "a": LISTS},
        "FUSE212",
    ),
    "mistakes in a file used often": (
        {fuzz.MAIN: KEYS + 'use "a" as a[i in k]', "a": "let a = )\n" * 190},
        "FUSE002",
    ),
    "a used file that is too long": ({fuzz.MAIN: 'use "a" as a', "a": "let a = 1\n" * 400_000}, "FUSE002"),
    "a used file of one long line": (
        {fuzz.MAIN: 'use "a" as a', "a": "let a = " + "x " * (MB // 2)},
        "FUSE002",
    ),
    "a used file that is no text": ({fuzz.MAIN: 'use "a" as a', "a": "\x00\ufffd\x01" * 10_000}, "FUSE00"),
    "many arguments": (
        {fuzz.MAIN: f'use "a"({", ".join(f"a{i}: 1" for i in range(9999))}) as a', "a": ""},
        "FUSE111",
    ),
    "a path made of much": ({fuzz.MAIN: chain('"{NEXT}{NEXT}"', '"x"', 60) + 'use "{a0}" as a'}, "FUSE212"),
}  # fmt: skip


def ends_soon(texts: dict[str, str], code: str) -> None:
    start = time.perf_counter()
    problems = fuzz.check_all({path: f"edition 2026\n{text}" for path, text in texts.items()})
    drawn = "".join(map(render, problems))
    took = time.perf_counter() - start
    assert any(problem.code.startswith(code) for problem in problems), drawn[:2000]
    assert len(drawn) < MB
    assert took < PATIENCE


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_use_each_other_end_in_a_message(name: str) -> None:
    ends_soon(*BOMBS[name])


@pytest.mark.parametrize("name", HOSTILE)
def test_ends_in_a_message(name: str) -> None:
    text, code = HOSTILE[name]
    ends_soon({fuzz.MAIN: text}, code)


def test_windows_line_ends_mean_nothing() -> None:
    text = "edition 2026\r\nparam seed = 1\r\n"
    assert parse(Source("s.fuse", text)).problems == ()


def test_ten_thousand_declarations_are_read() -> None:
    text = "edition 2026\n" + "".join(f"let a{i} = {i}\n" for i in range(10_000))
    file, problems = parse(Source("s.fuse", text))
    assert (len(file.declarations), problems) == (10_001, ())


def test_the_last_message_says_that_there_are_more() -> None:
    problems = parse(Source("s.fuse", "edition 2026\n" + "let a = )\n" * 300)).problems
    assert problems[-1].title() == "more than 200 mistakes: the rest is not told"


def test_a_few_hundred_cases_of_the_fuzzer() -> None:
    ran, failures, _ = fuzz.run((2026, 0, 300))
    assert sum(ran.values()) == 300
    assert failures == []

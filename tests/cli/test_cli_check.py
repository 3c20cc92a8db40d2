"""check, fmt, lock, explain and new: what comes before a run."""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from fusec.cli import terminal

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


# --- check --------------------------------------------------------------------------------


def test_a_good_spec_is_fine(fusec: Fusec, curate: Path) -> None:
    said = fusec("check", curate)
    assert (said.code, said.err) == (0, "")
    assert said.out == "curate.fuse: fine, 4 steps\n"


def test_errors_go_to_stderr_with_their_place(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text().replace("keep:", "kep:"))
    said = fusec("check", curate)
    assert (said.code, said.out) == (1, "")
    assert "error[FUSE103]" in said.err
    assert "--> curate.fuse:7:15" in said.err
    assert "1 error" in said.err.splitlines()[-1]


def test_json_holds_every_problem(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text() + '\nlet spare = "nobody reads this"\n')
    said = fusec("check", curate, "--json")
    answer = json.loads(said.out)
    assert (said.code, said.err, answer["ok"]) == (0, "", True)
    assert [problem["code"] for problem in answer["problems"]] == ["FUSE108"]


def test_a_denied_code_counts_as_an_error(fusec: Fusec, curate: Path) -> None:
    curate.write_text(curate.read_text() + '\nlet spare = "nobody reads this"\n')
    assert fusec("check", curate).code == 0
    said = fusec("check", curate, "--deny", "108")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error[FUSE108]: ")
    assert said.err.endswith("1 error (1 denied)\n")
    answer = json.loads(fusec("check", curate, "--deny", "108", "--json").out)
    assert [problem["level"] for problem in answer["problems"]] == ["error"]
    assert fusec("check", curate, "--deny", "FUSE999").code == 1


def test_a_setting_is_checked_like_the_text(fusec: Fusec, curate: Path) -> None:
    assert fusec("check", curate, "--set", "least=20").code == 0
    said = fusec("check", curate, "--set", "lest=20")
    assert said.code == 1
    assert "FUSE111" in said.err


def test_a_file_that_is_not_there(fusec: Fusec, tmp_path: Path) -> None:
    said = fusec("check", tmp_path / "none.fuse")
    assert said.code == 1
    assert said.err.startswith(f"error: {tmp_path}/none.fuse cannot be read: No such file")
    assert "hint:" in said.err


# --- colour -------------------------------------------------------------------------------


class Screen(StringIO):
    """A terminal, as far as anybody asks."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.paint("error", "no", Screen()) == "\x1b[1;31mno\x1b[0m"
    assert terminal.paint("error", "no", StringIO()) == "no"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.paint("error", "no", Screen()) == "no"
    assert terminal.verdict(True, Screen()) == "✓"


def test_marks_are_words_where_the_encoding_has_no_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(screen, "encoding", "ascii", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert (terminal.verdict(True, screen), terminal.verdict(False, screen)) == ("ok", "FAILED")


# --- fmt ----------------------------------------------------------------------------------


def test_fmt_changes_what_is_not_laid_out_and_check_tells(fusec: Fusec, curate: Path) -> None:
    good = curate.read_text()
    curate.write_text(good.replace("param seed = 7", "param   seed=7"))
    assert fusec("fmt", curate, "--check").code == 2
    diff = fusec("fmt", curate, "--diff")
    assert diff.code == 2
    assert "-param   seed=7\n+param seed = 7\n" in diff.out
    assert fusec("fmt", ".").code == 0
    assert curate.read_text() == good
    assert fusec("fmt", curate, "--check").code == 0


def test_fmt_goes_from_stdin_to_stdout(fusec: Fusec, curate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("edition 2026\n\nparam   seed=7\n"))
    said = fusec("fmt", "-")
    assert (said.code, said.out, said.err) == (0, "edition 2026\n\nparam seed = 7\n", "")


def test_fmt_leaves_a_spec_with_mistakes_alone(fusec: Fusec, curate: Path) -> None:
    broken = "edition 2026\n\nparam seed = [7\n"
    curate.write_text(broken)
    said = fusec("fmt", curate)
    assert said.code == 1
    assert "FUSE001" in said.err
    assert curate.read_text() == broken


def test_ctrl_c_ends_in_one_line(fusec: Fusec, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(StringIO):
        def read(self, size: int | None = -1, /) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    said = fusec("fmt", "-")
    assert said.code == 130
    assert "error: interrupted" in said.err
    assert "Traceback" not in said.err


# --- lock ---------------------------------------------------------------------------------


def test_lock_pins_once_and_update_looks_again(fusec: Fusec, curate: Path) -> None:
    assert fusec("lock", curate).out == "curate.fuse.lock: pinned notes/source; 1 source in all\n"
    assert fusec("lock", curate).out == "curate.fuse.lock: up to date, 1 source\n"
    before = Path("curate.fuse.lock").read_bytes()
    Path("notes.jsonl").write_text('{"text": "another line"}\n' * 30)
    assert "up to date" in fusec("lock", curate).out
    assert "pinned notes/source" in fusec("lock", curate, "--update", "notes").out
    assert Path("curate.fuse.lock").read_bytes() != before
    assert "up to date" in fusec("lock", curate, "--update").out


def test_update_of_a_source_nobody_declared(fusec: Fusec, curate: Path) -> None:
    said = fusec("lock", curate, "--update", "nots")
    assert said.code == 1
    assert "no source of curate.fuse is called `nots`" in said.err


# --- explain ------------------------------------------------------------------------------


def test_explain_knows_codes_verbs_and_methods(fusec: Fusec) -> None:
    assert fusec("explain", "FUSE301").out == fusec("explain", "301").out
    verb = fusec("explain", "merge").out
    assert "Combine experts of one weight space into one model." in verb
    assert "shard_size" in verb and "default 5 GB" in verb
    method = fusec("explain", "ties").out
    assert "density" in method and "above 0, at most 1" in method
    assert "one slot for each" in fusec("explain", "split").out


def test_every_listed_name_has_a_page(fusec: Fusec) -> None:
    names = [line.split()[0] for line in fusec("explain").out.splitlines() if line.startswith("  ")]
    assert {"merge", "ties", "FUSE301"} <= set(names)
    assert [name for name in names if fusec("explain", name).code != 0] == []


def test_explain_offers_the_nearest_name(fusec: Fusec) -> None:
    said = fusec("explain", "mrge")
    assert said.code == 1
    assert "close to `merge`" in said.err


# --- new ----------------------------------------------------------------------------------


def test_a_new_project_checks_and_is_laid_out(
    fusec: Fusec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fusec("new", "mine").code == 0
    assert fusec("check", "mine/main.fuse").out.startswith("mine/main.fuse: fine")
    assert fusec("fmt", "mine", "--check").code == 0
    said = fusec("new", "mine")
    assert said.code == 1
    assert "mine exists and is not empty" in said.err

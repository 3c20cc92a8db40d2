"""Models on a server are measured where they are: the same content, and no weights stay here."""

import json

import pytest

from fusec.cli.main import dispatch


def analysed(capsys: pytest.CaptureFixture[str], *args: str) -> dict:
    assert dispatch(["catalog", "analyze", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_place_does_not_change_what_a_model_is(server, family, tmp_path, capsys):
    store = ["--store", str(tmp_path / "store")]
    here = analysed(capsys, str(family / "math"), "--base", str(family / "base"), *store)
    there = analysed(capsys, f"{server.url}/math", "--base", f"{server.url}/base", *store)
    assert [model["root"] for model in there["models"]] == [model["root"] for model in here["models"]]
    assert not list((tmp_path / "store" / "remote").rglob("*.safetensors"))
    assert dispatch(["catalog", "show", f"{server.url}/math", "--json", *store]) == 0
    assert json.loads(capsys.readouterr().out)["root"] == here["models"][1]["root"]

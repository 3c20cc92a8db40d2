"""`plan --json` keeps to the schema that `docs/reference/plan.schema.json` publishes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fusec.cli.plan_json import FORMAT, PlanObject, plan_schema

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


@pytest.fixture
def answers(fusec: Fusec, model_run: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is stored, what is not, and a line of a sweep without its `values`."""
    monkeypatch.chdir(model_run.folder)
    one = json.loads(fusec("plan", "model.fuse", "--json").out)
    new = json.loads(fusec("plan", "model.fuse", "--json", "--store", "other").out)
    sweep = json.loads(fusec("plan", "model.fuse", "--json", "--sweep", "steps=1,2").out)
    swept = sweep["rows"][0]
    assert swept.pop("values") == {"steps": "1"}
    return [one, new, swept]


def test_plans_are_what_the_schema_says(answers: list[dict[str, Any]]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for answer in answers:
        jsonschema.validate(answer, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**answer, "nodes": [{"name": "a"}]}, schema)


def test_plans_have_no_field_that_the_schema_lacks(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        read = msgspec.convert(answer, PlanObject)
        assert json.loads(msgspec.json.encode(read)) == answer


def test_the_graph_can_be_drawn_from_the_object_alone(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        seen: set[str] = set()
        for node in answer["nodes"]:
            assert set(node["inputs"]) <= seen
            seen.add(node["name"])
        assert {output["of"].split(".")[0] for output in answer["outputs"]} <= seen
        assert set(answer["critical_path"]) <= seen


def test_the_published_schema_is_of_this_format(root: Path) -> None:
    published = json.loads((root / "docs/reference/plan.schema.json").read_text())
    assert published["$defs"]["PlanObject"]["properties"]["format"] == {"enum": [FORMAT]}

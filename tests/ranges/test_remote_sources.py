"""Models behind an address: known from their headers, pinned by version, opened as stand-ins."""

import json
import shutil

import fsspec
import msgspec
import pytest

from fusec.compiler.facts import ModelFacts, SourceProblem, SourceRequest, TokenizerSourceFacts
from fusec.runtime.kernel import RunError
from fusec.runtime.ranges import open_file
from fusec.runtime.sources import READS, inspect, open_model, open_tokenizer, pin, require_unchanged
from fusec.runtime.sources.safetensors_header import read_model_headers


@pytest.fixture
def ask(family, server, tmp_path):
    """`ask(name)` gives the request for a model of the family and what `inspect` says of it."""

    def look(name, kind="model", url=server.url):
        request = SourceRequest(kind, f"{url}/{name}")
        return request, inspect(request, base=tmp_path)

    return look


def pinned(ask, tmp_path, name, **more):
    request, facts = ask(name, **more)
    assert not isinstance(facts, SourceProblem), facts
    found = pin(request, facts, base=tmp_path)
    assert not isinstance(found, SourceProblem), found
    return request, found


def weights_served(server, name):
    weights = (path for path in server.served if path.startswith(f"/{name}/") and path.endswith("tensors"))
    return sum(server.served[path] for path in weights)


def test_facts_are_those_of_the_folder(ask, family, server, tmp_path):
    _, remote = ask("math")
    local = inspect(SourceRequest("model", str(family / "math")), base=tmp_path)
    assert isinstance(remote, ModelFacts)
    assert isinstance(local, ModelFacts)
    assert msgspec.structs.replace(remote, uri="") == msgspec.structs.replace(local, uri="")


def test_looking_reads_headers_alone(ask, family, server, tmp_path):
    ask("math")
    files = read_model_headers(family / "math").files
    # The one byte asks whether there is a `model.safetensors`, which a loader would prefer.
    assert weights_served(server, "math") == sum(header.data_start for header in files.values())


def test_a_pin_by_version_reads_no_weights(ask, server, tmp_path):
    READS.payload = 0
    request, facts = pinned(ask, tmp_path, "base")
    assert facts.pinned_by_content
    by_name = {file.name: file.sha256 for file in facts.files}
    etag = server.etag((server.root / "base/model.safetensors").read_bytes())
    assert by_name["model.safetensors"] == f"{request.uri}/model.safetensors#{etag}"
    assert len(by_name["config.json"]) == 64
    assert READS.payload == 0
    again = pin(*ask("base"), base=tmp_path)
    assert again == facts


def test_two_addresses_are_two_pins_even_with_one_etag(ask, family, server, tmp_path):
    shutil.copytree(family / "base", family / "copy")
    assert pinned(ask, tmp_path, "base")[1].pin != pinned(ask, tmp_path, "copy")[1].pin


@pytest.mark.parametrize("etags", ["weak", "none"])
def test_without_a_version_the_bytes_are_the_pin(ask, family, server, tmp_path, etags):
    server.etags = etags
    request, facts = pinned(ask, tmp_path, "base")
    local = SourceRequest("model", str(family / "base"))
    assert facts.pin == pin(local, inspect(local, base=tmp_path), base=tmp_path).pin
    folder = open_model(request, facts, base=tmp_path, whole=False)
    assert (folder / "model.safetensors").read_bytes() == (family / "base/model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / ".fusec")
    damaged = bytearray((family / "base/model.safetensors").read_bytes())
    damaged[-1] ^= 1
    (family / "base/model.safetensors").write_bytes(damaged)
    with pytest.raises(RunError, match=r"FUSE402: http://.*/base/model.safetensors changed"):
        open_model(request, facts, base=tmp_path, whole=False)


def test_an_opened_model_is_read_in_ranges(ask, family, server, tmp_path):
    request, facts = pinned(ask, tmp_path, "math")
    server.served.clear()
    folder = open_model(request, facts, base=tmp_path, whole=False)
    headers, local = read_model_headers(folder), read_model_headers(family / "math")
    assert headers.tensors == local.tensors
    assert weights_served(server, "math") == sum(header.data_start for header in local.files.values())
    info = headers.tensors["layer.weight"]
    path = headers.path_of("layer.weight")
    buffer = bytearray(40)
    with open_file(path) as remote, open_file(local.path_of("layer.weight"), exact=True) as here:
        assert remote.read_into(memoryview(buffer), info.start) == 40
        same = bytearray(40)
        here.read_into(memoryview(same), info.start)
        assert buffer == same
    server.served.clear()
    assert open_model(request, facts, base=tmp_path, whole=False) == folder
    assert not server.served, "what was fetched stays"


def test_whole_is_whole(ask, family, server, tmp_path):
    request, facts = pinned(ask, tmp_path, "math")
    folder = open_model(request, facts, base=tmp_path)
    for file in facts.files:
        assert (folder / file.name).read_bytes() == (family / "math" / file.name).read_bytes()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_change_behind_the_pin_stops_everything(ask, family, server, tmp_path, name):
    request, facts = pinned(ask, tmp_path, "base")
    require_unchanged(request, facts, base=tmp_path, digest=lambda path: "")
    path = family / "base" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RunError, match=rf"FUSE402: http://.*/base/{name} changed"):
        require_unchanged(request, facts, base=tmp_path, digest=lambda path: "")
    with pytest.raises(RunError, match=rf"FUSE402: http://.*/base/{name} changed"):
        open_model(request, facts, base=tmp_path, whole=False)
    assert not list((tmp_path / ".fusec/remote").glob("[!.]*")), "nothing half-fetched is visible"


def test_a_server_that_is_gone_is_no_change(ask, server, tmp_path):
    request, facts = pinned(ask, tmp_path, "base")
    server.faults["*"] = ["500"] * 100
    require_unchanged(request, facts, base=tmp_path, digest=lambda path: "")


def test_a_tokenizer_is_a_source_too(ask, family, server, tmp_path):
    request, facts = pinned(ask, tmp_path, "base", kind="tokenizer")
    assert isinstance(facts, TokenizerSourceFacts)
    folder = open_tokenizer(request, facts, base=tmp_path)
    assert [path.name for path in folder.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("scheme", ["memory", "versioned"])
def test_any_file_system_will_do(ask, family, server, tmp_path, scheme, versioned):
    fs = fsspec.filesystem(scheme)
    for path in sorted((family / "math").iterdir()):
        fs.pipe(f"/pub/math/{path.name}", path.read_bytes())
    request, facts = pinned(ask, tmp_path, "math", url=f"{scheme}://pub")
    assert facts.tensors == ask("math")[1].tensors
    folder = open_model(request, facts, base=tmp_path, whole=False)
    assert (folder / "model-0.safetensors").exists() == (scheme == "memory")
    with open_file(folder / "model-0.safetensors") as file:
        content = bytearray(file.size)
        file.read_into(memoryview(content), 0)
    assert content == (family / "math/model-0.safetensors").read_bytes()
    fs.rm("/pub", recursive=True)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        ("config.json", "/base` has no config.json"),
        ("model.safetensors", "/base/model.safetensors is not there"),
    ],
)
def test_a_folder_with_a_gap(ask, family, lost, what):
    (family / "base" / lost).unlink()
    _, problem = ask("base")
    assert isinstance(problem, SourceProblem)
    assert problem.kind == "missing"
    assert problem.what.endswith(what)


def test_an_index_cannot_lead_out_of_its_folder(ask, family):
    index = family / "math/model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../base/model.safetensors"}}))
    _, problem = ask("math")
    assert isinstance(problem, SourceProblem)
    assert "'../base/model.safetensors', which is not a file of its folder" in problem.what


def test_damage_is_told_by_address(ask, family, server):
    path = family / "base/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    _, problem = ask("base")
    assert problem.kind == "damaged"
    assert problem.what.startswith(f"{server.url}/base/model.safetensors: tensor")
    path.write_bytes(b"\xff" * 64)
    _, problem = ask("base")
    assert "announces a header of" in problem.what


@pytest.mark.parametrize(("fault", "what"), [("500", "answered 500"), ("ignore", "with the whole file")])
def test_a_server_that_is_no_good(ask, server, fault, what):
    server.faults["/base/model.safetensors"] = [fault] * 5
    _, problem = ask("base")
    assert problem.kind == "offline"
    assert what in problem.what
    assert "/base/model.safetensors" in problem.what


@pytest.mark.parametrize(
    "uri", ["https://me:hunter2@host/m", "https://host/m?token=hunter2", "s3://k:hunter2@b/m"]
)
def test_secrets_are_refused_and_not_told(tmp_path, uri):
    problem = inspect(SourceRequest("model", uri), base=tmp_path)
    assert isinstance(problem, SourceProblem)
    assert problem.kind == "scheme"
    assert "hunter2" not in problem.what + problem.hint + problem.where


def test_a_store_that_lists_nothing_answers_403_for_what_is_not_there(ask, server):
    facts = [ask("math")[1], ask("base")[1]]
    server.absent = 403
    assert [ask("math")[1], ask("base")[1]] == facts


def test_a_login_that_is_missing_is_no_missing_file(ask, server):
    server.faults["*"] = ["403"] * 1000
    _, problem = ask("base")
    assert problem.what == f"{server.url}/base/config.json cannot be read: the server answered 403"
    assert "~/.netrc" in problem.hint
    server.faults = {"/base/tokenizer.json": ["403"]}
    _, problem = ask("base")
    assert problem.what == f"{server.url}/base/tokenizer.json cannot be read: the server answered 403"


def test_a_scheme_of_nobody(tmp_path):
    problem = inspect(SourceRequest("model", "foo://bucket/m"), base=tmp_path)
    assert isinstance(problem, SourceProblem)
    assert (problem.kind, problem.what) == ("scheme", "`foo:` is not a scheme that sources can read")


def test_a_place_without_files_may_be_an_endpoint(server, tmp_path):
    problem = inspect(SourceRequest("model", f"{server.url}/v1"), base=tmp_path)
    assert isinstance(problem, SourceProblem)
    assert (problem.kind, problem.what) == ("missing", f"`{server.url}/v1` holds no config.json")
    assert '{ model: "name" }' in problem.hint


def test_a_stand_in_of_somebody_else_is_refused(ask, family, server, tmp_path):
    request, facts = pinned(ask, tmp_path, "base")
    folder = open_model(request, facts, base=tmp_path, whole=False)
    problem = inspect(SourceRequest("model", str(folder)), base=tmp_path)
    assert isinstance(problem, SourceProblem)
    assert "only fusec's own store may hold" in problem.what


def test_offline_asks_nobody(family, server, tmp_path):
    request = SourceRequest("model", f"{server.url}/base")
    problem = inspect(request, base=tmp_path, online=False)
    assert isinstance(problem, SourceProblem)
    assert problem.kind == "offline"
    assert not server.requests

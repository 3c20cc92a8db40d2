"""A header is right in every detail or refused in one sentence that names the file and the tensor."""

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from fusec.runtime.kernel import RunError
from fusec.runtime.sources.safetensors_header import (
    HEADER_LIMIT,
    parse_header,
    read_header,
    read_model_headers,
)


def file_bytes(header, payload=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + payload


def entry(dtype="F32", shape=(2,), start=0, end=8):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_reads_what_the_library_writes(tmp_path):
    tensors = {
        "a": torch.zeros(2, 3),
        "b": torch.zeros((), dtype=torch.int64),
        "c": torch.zeros(0, 5).bfloat16(),
    }
    save_file(tensors, tmp_path / "m.safetensors", metadata={"format": "pt"})
    header = read_header(tmp_path / "m.safetensors")
    got = {t.name: (t.dtype, t.shape, t.bytes) for t in header.tensors}
    assert got == {"a": ("F32", (2, 3), 24), "b": ("I64", (), 8), "c": ("BF16", (0, 5), 0)}
    assert header.metadata == {"format": "pt"}
    assert header.size == (tmp_path / "m.safetensors").stat().st_size == max(t.end for t in header.tensors)


BAD = {
    "empty file": (b"", "0 bytes, too few"),
    "length over the file": (file_bytes(b"{}", length=99), "header of 99 bytes, but has 10 bytes"),
    "length over the limit": (file_bytes(b"{}", length=HEADER_LIMIT + 1), "over the format's limit"),
    "not JSON": (file_bytes(b'{"t": '), "not valid JSON"),
    "not text": (file_bytes(b"\xff\xfe{}"), "not valid JSON"),
    "nested too deep": (file_bytes(b"[" * 100_000), "not valid JSON"),
    "not an object": (file_bytes(b"[1]"), "not a JSON object"),
    "name twice": (file_bytes(b'{"t": 1, "t": 2}'), "`t` appears twice"),
    "unknown dtype": (file_bytes({"t": entry("F7")}, bytes(8)), "tensor `t` has the unknown dtype 'F7'"),
    "negative shape": (file_bytes({"t": entry(shape=(-2,))}, bytes(8)), "tensor `t` is malformed"),
    "offset is text": (file_bytes({"t": entry(start="0")}, bytes(8)), "tensor `t` is malformed"),
    "unknown field": (file_bytes({"t": {**entry(), "more": 1}}, bytes(8)), "tensor `t` is malformed"),
    "metadata is a list": (file_bytes({"__metadata__": []}), "`__metadata__` is malformed"),
    "length and shape differ": (
        file_bytes({"t": entry(shape=(3,))}, bytes(8)),
        "tensor `t` takes 8 bytes, but",
    ),
    "half a byte": (file_bytes({"t": entry("F4", (3,), 0, 1)}, bytes(1)), "tensor `t` takes 1 bytes, but"),
    "overlap": (file_bytes({"s": entry(), "t": entry(start=4, end=12)}, bytes(12)), "tensor `t` overlaps"),
    "gap": (file_bytes({"s": entry(), "t": entry(start=9, end=17)}, bytes(17)), "tensor `t` leaves a gap"),
    "gap at the start": (file_bytes({"t": entry(start=1, end=9)}, bytes(9)), "tensor `t` leaves a gap"),
    "payload cut short": (file_bytes({"t": entry()}, bytes(7)), "tensor `t` ends at byte"),
    "payload too long": (file_bytes({"t": entry()}, bytes(9)), "1 bytes after its last tensor"),
}


@pytest.mark.parametrize(("content", "problem"), BAD.values(), ids=BAD)
def test_refuses_a_broken_file(tmp_path, content, problem):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunError) as error:
        read_header(path)
    assert problem in error.value.what
    assert str(path) in error.value.what


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_leads_to_anything_but_a_run_error(data):
    good = save({"a": torch.zeros(3), "b": torch.ones(2, 2).half()})
    length = int.from_bytes(good[:8], "little")
    raw = bytearray(good[8 : 8 + length])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    try:
        header = parse_header(bytes(raw), len(good), "x")
    except RunError:
        return
    assert sum(t.bytes for t in header.tensors) == len(good) - header.data_start


@pytest.fixture
def sharded(tmp_path):
    """A model of two shards: `a` in 1, `b` in 2."""
    save_file({"a": torch.zeros(2)}, tmp_path / "1.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "2.safetensors")
    write_index(tmp_path, {"a": "1.safetensors", "b": "2.safetensors"})
    return tmp_path


def write_index(folder, weight_map):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_a_sharded_folder_is_one_model(sharded):
    model = read_model_headers(sharded)
    assert list(model.tensors) == ["a", "b"]
    assert model.path_of("b") == sharded / "2.safetensors"
    assert model.bytes == 20


def test_a_shard_is_missing(sharded):
    (sharded / "2.safetensors").unlink()
    refused(sharded, "shard 2.safetensors, which is missing")


def test_the_index_promises_a_tensor_that_no_shard_holds(sharded):
    write_index(sharded, {"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"})
    refused(sharded, "promises tensor `c` in 2.safetensors")


def test_the_index_puts_a_tensor_into_the_wrong_shard(sharded):
    write_index(sharded, {"a": "2.safetensors", "b": "1.safetensors"})
    refused(sharded, "promises tensor `a` in 2.safetensors")


def test_a_shard_holds_a_tensor_that_the_index_does_not_know(sharded):
    save_file({"b": torch.zeros(3), "x": torch.zeros(1)}, sharded / "2.safetensors")
    refused(sharded, "2.safetensors: tensor `x` is not in model.safetensors.index.json")


def test_two_shards_hold_the_same_tensor(sharded):
    save_file({"b": torch.zeros(3), "a": torch.zeros(2)}, sharded / "2.safetensors")
    refused(sharded, "2.safetensors: tensor `a` is also in 1.safetensors")


def test_a_shard_outside_the_folder_is_not_opened(sharded):
    write_index(sharded, {"a": "../1.safetensors"})
    refused(sharded, "not a file of its folder")


def test_a_pickle_checkpoint_is_not_read(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    refused(tmp_path, "holds neither model.safetensors nor")


def refused(folder, problem):
    with pytest.raises(RunError) as error:
        read_model_headers(folder)
    assert problem in error.value.what
    assert str(folder) in error.value.what


def test_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'safetensors'} & {*sys.modules}"
    code = f"import sys, fusec.runtime.sources.safetensors_header; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"

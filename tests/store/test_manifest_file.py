"""Two runs of one plan share a semantic digest, and nothing else is allowed to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fusec.runtime.digest import FileEntry
from fusec.runtime.kernel import RunError
from fusec.runtime.manifest import (
    CheckRecord,
    Difference,
    Manifest,
    NodeRecord,
    OutputRecord,
    SourceRecord,
    compare,
    describe_environment,
    load_manifest,
    semantic_digest,
    write_manifest,
)


def node(name, **changes):
    base = NodeRecord(
        name=name,
        verb="merge",
        revision=1,
        id=f"id-{name}",
        kind="model",
        grade="exact",
        slots={"method": {"ties": {"density": 0.5}}},
        inputs=("id-x", "id-y"),
        root=f"root-{name}",
        files=(FileEntry("config.json", 3, "aa"), FileEntry("model.safetensors", 5, "bb")),
        state="computed",
        estimate={"seconds": (1.0, 2.0, 3.0), "bytes_read": 10},
        actual={"seconds": 2.5},
    )
    return replace(base, **changes)


MANIFEST = Manifest(
    fusec="0.1.0",
    run="r1",
    spec_digest="s",
    lock_digest="l",
    plan_digest="p",
    params={"steps": 10},
    nodes=(node("a"), node("b", seed=3, grade="seeded")),
    sources=(SourceRecord(name="base", at="./base", pin="c0ffee"),),
    checks=(CheckRecord(name="b < a", passed=True, values={"b.loss": 1.0, "a.loss": 2.0}),),
    outputs=(OutputRecord(name="b", to="./models/b", id="id-b", root="root-b"),),
    grade="seeded",
    gate="open",
    started=1.0,
    seconds=2.0,
    environment=describe_environment("cpu", 2),
)

OTHER_TIME_PLACE_AND_WORDING = [
    replace(MANIFEST, run="r2", started=9.0, seconds=8.0, fusec="0.2.0"),
    replace(MANIFEST, environment=replace(MANIFEST.environment, threads=8, machine="arm64", libraries={})),
    replace(MANIFEST, spec_digest="s2", lock_digest="l2", params={"out": "/home/me"}),
    replace(MANIFEST, nodes=(node("b", seed=3, grade="seeded"), node("a"))),
    replace(MANIFEST, nodes=(node("a", state="reused", actual={}, estimate={}), MANIFEST.nodes[1])),
    replace(MANIFEST, nodes=(replace(node("a"), name="renamed"), MANIFEST.nodes[1])),
    replace(MANIFEST, sources=(SourceRecord(name="base", at="/data/base", pin="c0ffee"),)),
    replace(MANIFEST, outputs=(replace(MANIFEST.outputs[0], to="/models/b"),)),
]

OTHER_WORK = [
    replace(MANIFEST, plan_digest="p2"),
    replace(MANIFEST, grade="exact"),
    replace(MANIFEST, gate="ignored"),
    replace(MANIFEST, nodes=MANIFEST.nodes[:1]),
    replace(MANIFEST, nodes=(node("a", root="x"), MANIFEST.nodes[1])),
    replace(MANIFEST, nodes=(node("a", id="x"), MANIFEST.nodes[1])),
    replace(MANIFEST, nodes=(node("a", files=()), MANIFEST.nodes[1])),
    replace(MANIFEST, nodes=(node("a", inputs=("id-y", "id-x")), MANIFEST.nodes[1])),
    replace(MANIFEST, nodes=(node("a"), node("b", seed=4, grade="seeded"))),
    replace(MANIFEST, sources=(SourceRecord(name="base", at="./base", pin="beef"),)),
    replace(MANIFEST, checks=(replace(MANIFEST.checks[0], passed=False),)),
    replace(MANIFEST, outputs=()),
]


@pytest.mark.parametrize("other", OTHER_TIME_PLACE_AND_WORDING)
def test_time_place_and_wording_do_not_count(other):
    assert other != MANIFEST
    assert semantic_digest(other) == semantic_digest(MANIFEST)


def test_every_difference_in_the_work_counts():
    digests = {semantic_digest(manifest) for manifest in (MANIFEST, *OTHER_WORK)}
    assert len(digests) == len(OTHER_WORK) + 1


def test_the_digest_is_pinned():
    """It stands in manifests that people keep: a change of it is a new format."""
    assert semantic_digest(MANIFEST).startswith("79fa2f931a0c506b2bbd8edff1395b64")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), plain, max_size=3))
def test_a_manifest_reads_back(tmp_path_factory, slots):
    path = tmp_path_factory.mktemp("m") / "manifest.json"
    written = write_manifest(path, replace(MANIFEST, nodes=(node("a", slots=slots),)))
    assert load_manifest(path) == written
    assert written.semantic_digest == semantic_digest(written)


def test_a_manifest_that_cannot_be_trusted_is_refused(tmp_path):
    path = tmp_path / "manifest.json"
    write_manifest(path, MANIFEST)
    good = path.read_text()

    def refuses(text, message):
        path.write_text(text)
        with pytest.raises(RunError, match=message):
            load_manifest(path)

    refuses(good.replace('"format": 1', '"format": 2'), r"FUSE505: the manifest .* has format 2")
    refuses(good[: len(good) // 2], "is not a complete manifest")
    refuses("{}", "is not a complete manifest")
    refuses(good.replace("root-a", "root-z"), "was changed after it was written")
    with pytest.raises(RunError, match="cannot be read"):
        load_manifest(tmp_path / "nothing")


def test_comparing_names_each_step_and_file():
    assert compare(MANIFEST, replace(MANIFEST, run="r2")) == ()
    changed = node("a", root="other", files=(FileEntry("config.json", 3, "aa"), FileEntry("new", 1, "cc")))
    other = replace(
        MANIFEST,
        nodes=(changed, node("c")),
        outputs=(replace(MANIFEST.outputs[0], root="other"),),
        checks=(replace(MANIFEST.checks[0], passed=False),),
    )
    assert compare(MANIFEST, other) == (
        Difference("node", "a", "root", "root-a", "other"),
        Difference("node", "a", "file model.safetensors", "bb", None),
        Difference("node", "a", "file new", None, "cc"),
        Difference("node", "b", "id", "id-b", None),
        Difference("node", "c", "id", None, "id-c"),
        Difference("output", "b", "root", "root-b", "other"),
        Difference("check", "b < a", "passed", "true", "false"),
    )

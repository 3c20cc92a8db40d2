"""What a merge accepts and refuses: matching, tied heads, buffers, damaged values, full disks."""

import re
import resource

import pytest
import torch

from fusec.runtime.kernel import Method, RunError
from fusec.runtime.kernels.merge import tiles

AVERAGE = Method("average")
LINEAR = Method("linear", {"normalize": True})
TIES = Method("ties", {"density": 0.5, "scale": 1.0, "normalize": True})
HEAD, EMBED = "lm_head.weight", "model.embed_tokens.weight"
A, B, C = (torch.full((4, 2), x) for x in (1.0, 2.0, 4.0))


@pytest.fixture
def merge(write_model, run_merge):
    """Merges models given as tensors; by name `base`, `x`, `y`."""

    def call(base, *experts, method=AVERAGE, tied=None, weights=None, **slots):
        first = write_model("base", base, config={} if tied is None else {"tie_word_embeddings": tied})
        others = [write_model(n, t) for n, t in zip(("x", "y"), experts, strict=False)]
        pairs = others if weights is None else list(zip(others, weights, strict=True))
        return run_merge(first, pairs, method, **slots)

    return call


@pytest.fixture
def refused(merge):
    """The one sentence that such a merge ends with."""

    def call(*models, **options):
        with pytest.raises(RunError) as error:
            merge(*models, **options)
        return error.value.what

    return call


def test_an_expert_lacks_a_tensor(refused):
    what = refused({"a": A, "b": A}, {"a": A, "b": A}, {"a": A})
    assert what.endswith("y has no tensor `b`")


def test_an_expert_has_a_tensor_too_many(refused):
    what = refused({"a": A}, {"a": A, "b": A})
    assert "x/model.safetensors holds tensor `b`, which is not in the base" in what


def test_shapes_differ(refused):
    what = refused({"a": A}, {"a": A.T.contiguous()})
    assert "x/model.safetensors: tensor `a` has shape [2, 4], but [4, 2] in the base" in what


def test_kept_tensors_are_the_base_whatever_experts_hold(merge):
    base = {"embed": torch.tensor([float("nan"), -0.0]), "a": A}
    got = merge(base, {"embed": A, "a": B, "embed2": A}, keep=("embed*",))
    assert torch.equal(got.tensors["embed"].view(torch.int32), base["embed"].view(torch.int32))
    assert torch.equal(got.tensors["a"], B)
    assert (got.meter.expert_bytes, got.meter.bytes_read, got.meter.bytes_written) == (32, 40, 40)


def test_a_keep_pattern_without_a_match_is_a_typo(refused):
    assert "keep: 'emebd*' matches no tensor" in refused({"a": A}, {"a": B}, keep=("emebd*",))


@pytest.mark.parametrize(("value", "where"), [("nan", 0), ("inf", 1)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("method", [LINEAR, TIES], ids=lambda m: m.name)
def test_a_value_is_not_finite(refused, monkeypatch, dtype, value, where, method):
    monkeypatch.setattr(tiles, "WORKING_SET", 64)
    damaged = torch.ones(1000, dtype=dtype)
    damaged[700 + where :] = float(value)
    ones = torch.ones(1000, dtype=dtype)
    what = refused({"a": ones}, {"a": damaged}, method=method)
    assert f"x/model.safetensors: tensor `a` is not finite at flat index {700 + where}" in what


def test_a_base_value_is_not_finite(refused):
    what = refused({"a": A / 0}, {"a": A}, method=TIES)
    assert "base/model.safetensors: tensor `a` is not finite at flat index 0" in what


def test_a_result_overflows_the_output(refused):
    big = torch.tensor([1.0, 60000.0])
    what = refused({"a": big.half()}, {"a": big * 2}, method=LINEAR)
    assert what == "merged tensor `a` overflows F16 at flat index 1"


def test_of_many_errors_the_first_by_tensor_name_is_told(refused):
    """Also when another worker finds its own much sooner."""
    models = {"a": torch.ones(1 << 21), "b": torch.ones(4)}
    bad = {n: t.clone() for n, t in models.items()}
    for t in bad.values():
        t[-1] = float("nan")
    assert "tensor `a`" in refused(models, bad, method=TIES, threads=2)


def test_weights_that_sum_to_zero_cannot_be_normalized(refused):
    what = refused({"a": A}, {"a": A}, {"a": B}, method=LINEAR, weights=(0.5, -0.5))
    assert what == "the weights 0.5, -0.5 sum to zero, so they cannot be normalized"


def test_average_takes_no_weights(refused):
    assert "average" in refused({"a": A}, {"a": A}, weights=(0.5,))


def test_integer_buffers_are_copied_if_identical(merge):
    ids = torch.arange(5)
    got = merge({"a": A, "ids": ids}, {"a": B, "ids": ids}, {"a": B, "ids": ids})
    assert torch.equal(got.tensors["ids"], ids)
    assert (got.meter.expert_bytes, got.meter.bytes_read) == (2 * 72, 2 * 72 + 3 * 40)


def test_integer_buffers_that_differ_are_refused(refused):
    what = refused({"ids": torch.arange(5)}, {"ids": torch.arange(5)}, {"ids": torch.arange(1, 6)})
    assert "y/model.safetensors: tensor `ids` differs from the base's" in what


def test_an_integer_is_no_counterpart_of_a_float(refused):
    assert "x/model.safetensors: tensor `a` is I64, but F32 in" in refused({"a": A}, {"a": A.long()})


class TestHeads:
    """A tied model uses its embedding as its head and usually stores it once."""

    def test_a_repeated_head_of_an_expert_of_a_tied_base_is_dropped(self, merge):
        got = merge({EMBED: A}, {EMBED: B}, {EMBED: C, HEAD: C})
        assert got.tensors.keys() == {EMBED}
        assert got.meter.expert_bytes == 2 * 32 + 2 * 32
        assert torch.equal(got.tensors[EMBED], (B + C) / 2)

    def test_a_head_of_its_own_does_not_fit_a_tied_base(self, refused):
        what = refused({EMBED: A}, {EMBED: C, HEAD: B})
        assert "x/model.safetensors: tensor `lm_head.weight` differs from `model.embed_tokens.weight`" in what

    def test_nor_does_it_if_the_tied_base_stores_its_head(self, refused):
        what = refused({EMBED: A, HEAD: A}, {EMBED: C, HEAD: B}, tied=True)
        assert "tensor `lm_head.weight` differs" in what

    def test_a_tied_expert_of_an_untied_base_gives_its_embedding_as_head(self, merge):
        got = merge({EMBED: A, HEAD: B}, {EMBED: A, HEAD: A}, {EMBED: C})
        assert torch.equal(got.tensors[HEAD], (A + C) / 2)

    def test_a_head_may_be_missing_only_with_an_embedding_in_its_place(self, refused):
        assert "x has no tensor `lm_head.weight`" in refused({"a": A, HEAD: B}, {"a": A})


def test_progress_ends_at_the_total(merge):
    events = merge({"a": A, "b": A}, {"a": B, "b": B}).events
    assert events[-1] == {"kind": "progress", "done": 64, "total": 64, "unit": "bytes"}


def test_bytes_are_counted_as_they_are_read(merge):
    """A trimming ties reads everything twice."""
    meter = merge({"a": A}, {"a": B}, {"a": C}, method=TIES).meter
    assert (meter.expert_bytes, meter.bytes_read, meter.bytes_written) == (
        2 * 2 * 32,
        2 * 2 * 32 + 2 * 32,
        32,
    )


def test_a_full_disk_is_one_sentence(refused):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    halves = {"a": torch.zeros(1 << 18).half()}
    # A limit on the size of files stands in for a full disk: 512 KiB of input fit, 1 MiB of output do not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 18, limit[1]))
    try:
        what = refused(halves, halves, dtype="fp32")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert re.fullmatch(r"merging into .*/merged0 failed: File too large.*", what)

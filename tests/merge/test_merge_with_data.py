"""Merges that look at data first, beside their formulas worked out with torch."""

import json
import shutil
from functools import cache

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusec.runtime.executors.local import run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session
from fusec.runtime.store import Store

TEXTS = {
    "prose": [
        "The river carries cold water from the mountains down to the harbour.",
        "Nobody remembers who planted the three old pear trees behind the mill.",
        "In the evening the lamps along the harbour are lit, one after another.",
    ],
    "code": ["def area(width, height):\n    return width * height", "for name in names:\n    print(name)"],
}
SOURCES = """param seed = 5
data corpus from "./corpus.txt"
data prose from "./prose.jsonl"
data code from "./code.jsonl"
tokenizer words = train_tokenizer { data: corpus, vocab: 280 }
model base = init { tokenizer: words, arch: ARCH }
model one = finetune { model: base, data: prose, steps: 6, lr: 1e-2 }
model two = finetune { model: base, data: code, steps: 6, lr: 1e-2 }
output base to "./out/base"
output one to "./out/one"
output two to "./out/two"
"""
LLAMA = "llama(layers: 2, hidden: 16, heads: 2, intermediate: 24, context: 128)"
TIED = "qwen3(layers: 2, hidden: 16, heads: 2, intermediate: 24, context: 128)"
GPT2 = "gpt2(layers: 2, hidden: 16, heads: 2, context: 128)"
EXPERTS = {"one": "prose", "two": "code"}


class Bench:
    """A folder with texts and a spec that makes a base, two experts and what is asked for."""

    def __init__(self, folder, arch):
        self.folder, self.arch = folder, arch
        (folder / "corpus.txt").write_text("\n".join(TEXTS["prose"] + TEXTS["code"]) * 10)
        for name, texts in TEXTS.items():
            lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
            (folder / f"{name}.jsonl").write_text(lines)

    def session(self, text):
        spec = self.folder / "spec.fuse"
        spec.write_text("edition 2026\n\n" + SOURCES.replace("ARCH", self.arch) + text)
        return Session(spec, {}, self.folder / ".fusec")

    def check(self, text):
        return self.session(text).check().problems

    def run(self, text, threads=1):
        """The folders of the outputs; what is in the store is not computed again."""
        session = self.session(text)
        assert session.check().problems == ()
        store = Store(self.folder / ".fusec")
        try:
            session.lock(session.check(), digest=store.catalog.file_digest)
            stored = {row.id for row in store.catalog.objects()}
            return run_plan(
                session.plan(session.check(), stored=stored), store, self.folder, Options(threads)
            )
        finally:
            store.close()

    def merge(self, method, experts="[one, two]", name="merged", **slots):
        more = "".join(f", {slot}: {value}" for slot, value in slots.items())
        self.run(
            f"model {name} = merge {{ base: base, experts: {experts}, method: {method}{more} }}\n"
            f'output {name} to "./out/{name}"\n'
        )
        return self.tensors(name)

    def tensors(self, name):
        return load_file(self.folder / "out" / name / "model.safetensors")

    def net(self, name):
        return AutoModelForCausalLM.from_pretrained(self.folder / "out" / name, dtype=torch.float32).eval()

    def tokens(self, name):
        """Each text of a data set alone: nothing is padded."""
        return [self.tokens_of(text) for text in TEXTS[name]]

    def tokens_of(self, text):
        """(1, n): a text with the token that ends it."""
        tokenizer = AutoTokenizer.from_pretrained(self.folder / "out/base")
        start = [t for t in tokenizer("").input_ids if t == tokenizer.bos_token_id]
        ids = tokenizer(text, add_special_tokens=False).input_ids
        return torch.tensor([[*start, *ids, tokenizer.eos_token_id]])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """trained(arch) is a folder in which the base and both experts of an architecture are made already."""

    @cache
    def make(arch):
        folder = tmp_path_factory.mktemp("trained")
        Bench(folder, arch).run("")
        return folder

    return make


@pytest.fixture
def bench(trained, tmp_path):
    return Bench(shutil.copytree(trained(LLAMA), tmp_path, dirs_exist_ok=True), LLAMA)


@pytest.fixture(params=[LLAMA, TIED, GPT2], ids=["llama", "tied", "gpt2"])
def any_bench(request, trained, tmp_path):
    return Bench(shutil.copytree(trained(request.param), tmp_path, dirs_exist_ok=True), request.param)


@torch.no_grad()
def inputs_of(net, batches):
    """What enters the layer of each weight, by its name in the model: (tokens, c) in float64."""
    found = {}
    kinds = ("Linear", "Conv1D")
    layers = {f"{n}.weight": m for n, m in net.named_modules() if type(m).__name__ in kinds}
    hooks = [
        module.register_forward_pre_hook(
            lambda module, args, name=name: found.setdefault(name, []).append(args[0].flatten(0, -2).double())
        )
        for name, module in layers.items()
    ]
    for batch in batches:
        net(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(rows) for name, rows in found.items()}


def regmean_by_hand(bench, alpha):
    """Every tensor by the formula of the paper, with an inverse."""
    nets = {name: bench.net(name) for name in EXPERTS}
    states = {name: net.state_dict() for name, net in nets.items()}
    inputs = {name: inputs_of(nets[name], bench.tokens(data)) for name, data in EXPERTS.items()}
    made = {}
    for key in states["one"]:
        both = [states[name][key].double() for name in EXPERTS]
        tied = key == "lm_head.weight" and nets["one"].config.tie_word_embeddings
        if key not in inputs["one"] or tied:
            made[key] = sum(both) / 2
            continue
        across = ".c_" in key
        total = pulled = 0
        for weight, name in zip(both, EXPERTS, strict=True):
            x = inputs[name][key]
            gram = x.T @ x / len(x)
            gram = alpha * gram + (1 - alpha) * torch.diag(gram.diagonal())
            total = total + gram
            pulled = pulled + gram @ (weight if across else weight.T)
        solved = torch.linalg.inv(total) @ pulled
        made[key] = solved if across else solved.T
    return made


def fisher_by_hand(bench, *, normalize, epsilon, weights=(1, 1)):
    states, found = [], []
    for name, data in EXPERTS.items():
        net = bench.net(name)
        squares = {
            key: torch.zeros_like(weight, dtype=torch.float64) for key, weight in net.named_parameters()
        }
        batches = bench.tokens(data)
        for ids in batches:
            net.zero_grad()
            chances = torch.log_softmax(net(ids).logits[0, :-1], dim=-1)
            chances[torch.arange(ids.shape[1] - 1), ids[0, 1:]].sum().backward()
            for key, weight in net.named_parameters():
                squares[key] += weight.grad.double() ** 2 / len(batches)
        states.append({key: weight.detach().double() for key, weight in net.named_parameters()})
        found.append(squares)
    shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    if normalize:
        norms = [torch.cat([f.flatten() for f in squares.values()]).norm() for squares in found]
        inverse = 1 / (torch.stack(norms) + epsilon)
        shares = shares * inverse / inverse.sum()
    made = {}
    for key in states[0]:
        counts = [share * (squares[key] + epsilon) for share, squares in zip(shares, found, strict=True)]
        made[key] = sum(c * s[key] for c, s in zip(counts, states, strict=True)) / sum(counts)
    return made


def assert_same(tensors, by_hand, tolerance=2e-5):
    """`by_hand` is named as the model names its weights, which may have a prefix that files lack."""
    for name, tensor in tensors.items():
        want = by_hand[name] if name in by_hand else by_hand[f"transformer.{name}"]
        torch.testing.assert_close(tensor.double(), want, rtol=0, atol=tolerance)


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_regmean_solves_for_every_linear_layer(any_bench, alpha):
    made = any_bench.merge(f"regmean(data: [prose, code], alpha: {alpha})")
    assert_same(made, regmean_by_hand(any_bench, alpha))


@pytest.mark.parametrize("normalize", [True, False])
def test_fisher_weighs_each_weight_by_its_squared_gradients(any_bench, normalize):
    word = str(normalize).lower()
    made = any_bench.merge(f"fisher(data: [prose, code], normalize: {word})")
    assert_same(made, fisher_by_hand(any_bench, normalize=normalize, epsilon=1e-6))


def test_fisher_takes_weights(bench):
    made = bench.merge("fisher(data: [prose, code])", experts="[one: 3, two: 1]")
    assert_same(made, fisher_by_hand(bench, normalize=True, epsilon=1e-6, weights=(3, 1)))


def test_with_alpha_1_a_layer_fits_what_experts_give_on_the_inputs_of_both_of_them(bench):
    """Least squares over the inputs of all experts, each expert's tokens weighing as much as the other's."""
    made = bench.merge("regmean(data: [prose, code], alpha: 1.0)")
    rows, targets = [], []
    name = "model.layers.1.mlp.down_proj.weight"
    for expert, data in EXPERTS.items():
        x = inputs_of(bench.net(expert), bench.tokens(data))[name]
        rows.append(x / len(x) ** 0.5)
        targets.append(rows[-1] @ bench.tensors(expert)[name].double().T)
    want = torch.linalg.lstsq(torch.cat(rows), torch.cat(targets)).solution.T
    torch.testing.assert_close(made[name].double(), want, rtol=0, atol=1e-4)


def test_where_no_input_goes_a_layer_is_the_mean(bench):
    """Inputs of one short text span a few directions; across them nothing is known."""
    (bench.folder / "short.jsonl").write_text('{"text": "a"}\n')
    bench.run(
        """data short from "./short.jsonl"
model merged = merge { base: base, experts: [one, two], method: regmean(data: short, alpha: 1.0) }
output merged to "./out/merged"
"""
    )
    made = bench.tensors("merged")
    name = "model.layers.1.mlp.down_proj.weight"
    ids = bench.tokens_of("a")
    x = torch.cat([inputs_of(bench.net(expert), [ids])[name] for expert in EXPERTS])
    _, values, across = torch.linalg.svd(x, full_matrices=True)
    unseen = across[int((values > 1e-6 * values[0]).sum()) :]
    mean = sum(bench.tensors(expert)[name].double() for expert in EXPERTS) / 2
    assert len(unseen) > 8
    torch.testing.assert_close(made[name].double() @ unseen.T, mean @ unseen.T, rtol=0, atol=1e-5)
    assert not torch.allclose(made[name].double(), mean, atol=1e-4)


@pytest.mark.parametrize("method", ["regmean", "fisher"])
def test_experts_that_are_alike_stay_as_they_are(bench, method):
    made, own = bench.merge(f"{method}(data: [prose, code])", experts="[one, one]"), bench.tensors("one")
    for name, tensor in made.items():
        torch.testing.assert_close(tensor, own[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["regmean", "fisher"])
def test_data_goes_with_its_expert_in_whatever_order_they_are_written(bench, method):
    want = bench.merge(f"{method}(data: [prose, code])")
    ran = bench.run(
        f"""model a = merge {{ base: base, experts: [two, one], method: {method}(data: [code, prose]) }}
model b = merge {{
  base: base
  experts: ["x": one, "y": two]
  method: {method}(data: ["y": code, "x": prose])
}}
model c = merge {{ base: base, experts: [one, two], method: {method}(data: [code, prose]) }}
output a to "./out/a"
output b to "./out/b"
output c to "./out/c"
"""
    )
    ids = {output.to: output.id for output in ran.manifest.outputs}
    assert ids["./out/a"] == ids["./out/b"] != ids["./out/c"]
    assert {node.grade for node in ran.manifest.nodes if node.verb == "merge"} == {"seeded"}
    for name, tensor in bench.tensors("b").items():
        assert torch.equal(tensor, want[name])
    assert not all(torch.equal(tensor, want[name]) for name, tensor in bench.tensors("c").items())


@pytest.mark.parametrize("method", ["regmean", "fisher"])
def test_examples_and_context_bound_what_is_read(bench, method):
    (bench.folder / "first.jsonl").write_text(json.dumps({"text": TEXTS["prose"][0]}) + "\n")
    bench.run('data first from "./first.jsonl"\noutput first to "./out/first"\n')
    few = bench.merge(f"{method}(data: prose, examples: 1)")
    bench.run(
        f"""data first from "./first.jsonl"
model same = merge {{ base: base, experts: [one, two], method: {method}(data: first) }}
output same to "./out/same"
"""
    )
    assert all(torch.equal(tensor, few[name]) for name, tensor in bench.tensors("same").items())
    cut = bench.merge(f"{method}(data: prose, examples: 1, context: 4)", name="cut")
    assert not all(torch.equal(tensor, few[name]) for name, tensor in cut.items())


def test_rules_may_look_at_data_too(bench):
    own = bench.merge("regmean(data: [prose, code])")
    norms = bench.merge("fisher(data: [prose, code])", name="f")
    made = bench.merge(
        "regmean(data: [prose, code])",
        name="mixed",
        rules='[tensors("*norm*", method: fisher(data: [prose, code]))]',
    )
    for name, tensor in made.items():
        assert torch.equal(tensor, (norms if "norm" in name else own)[name]), name


def test_nothing_but_the_model_is_left_and_both_readings_are_counted(bench):
    ran = bench.run(
        """model merged = merge { base: base, experts: [one, two], method: regmean(data: [prose, code]) }
output merged to "./out/merged"
"""
    )
    files = {path.name for path in (bench.folder / "out/merged").iterdir()}
    assert files == {path.name for path in (bench.folder / "out/one").iterdir()}
    (node,) = [node for node in ran.manifest.nodes if node.name == "merged"]
    size = sum(t.numel() * 4 for t in bench.tensors("one").values())
    assert node.actual["expert_bytes"] == 4 * size


def test_a_mixture_whose_experts_transformers_fuses(bench):
    text = """model sparse = assemble_moe {
  base: base
  experts: [one, two]
  arch: mixtral
  router: uniform
}
model trained = finetune { model: sparse, data: prose, steps: 2, lr: 1e-2 }
model merged = merge { base: sparse, experts: [sparse, trained], method: METHOD(data: prose) }
output sparse to "./out/sparse"
output trained to "./out/trained"
output merged to "./out/merged"
"""
    bench.run(text.replace("METHOD", "regmean"))
    sparse, trained, merged = (bench.tensors(name) for name in ("sparse", "trained", "merged"))
    name = "model.layers.0.block_sparse_moe.experts.1.w2.weight"
    torch.testing.assert_close(merged[name], (sparse[name] + trained[name]) / 2)
    with pytest.raises(RunError, match=r"(gate_up|down)_proj.* cannot be told apart"):
        bench.run(text.replace("METHOD", "fisher"))


@pytest.mark.parametrize(
    ("method", "times", "says"),
    [
        ("fisher", 1e15, "loss that is not finite on row 1 of its data"),
        ("fisher", 1e25, "gradients that are not finite"),
        ("regmean", 1e15, "inputs that are not finite"),
    ],
)
def test_an_expert_that_overflows_is_named(bench, method, times, says):
    with pytest.raises(RunError, match=says):
        bench.run(
            f"""model huge = merge {{ base: base, experts: [one: {times}], method: linear(normalize: false) }}
model merged = merge {{ base: base, experts: [huge, two], method: {method}(data: [prose, code]) }}
output merged to "./out/merged"
"""
        )

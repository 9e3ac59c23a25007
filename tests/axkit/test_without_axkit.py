"""A folder answers by transformers alone as it did when axkit wrote it: every family, kind of cut, and precision."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from conftest import ALIKE, FAMILIES
from safetensors.torch import load_file, save_file
from strangers_modules import Gained

import axkit
from axkit.anatomy.family import family_of
from axkit.contract.trail import TrailStep
from axkit.runtimes.folder import load_subject, save
from axkit.runtimes.manifest import read_manifest
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import lend, tiny_model, tiny_reader, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.half import Bf16, Fp16
from axkit_plugins.quantize.bnb import Int4Bnb, Int8Bnb
from axkit_plugins.quantize.int4_vsq import Int4Vsq
from axkit_plugins.quantize.int8 import Int8

SCRIPT = Path(__file__).resolve().parents[1] / "without_axkit.py"
FIRST = ("bert", "distilbert", "electra", "mpnet", "roberta", "vit")


def uneven(name):
    """Some heads, no head, some neurons, no neuron, a block less, and hard attention that binds."""
    subject = tiny_subject(family_of(name))
    if subject.family.shared_layers:
        subject.carve(subject.structure.without_heads(0, [2]).without_neurons(0, range(4)).change(0, hard_k=3))
        return subject
    structure = subject.structure.without_ffn(0).without_heads(1, [2]).without_heads(2, range(4)).change(1, hard_k=3)
    subject.carve(structure.without_neurons(1, range(4)).without_neurons(2, range(24)))
    return subject


def blocks(name, share=0.4):
    """Both kinds of block gone, and a share of the length kept."""
    subject = tiny_subject(family_of(name))
    if subject.family.shared_layers:
        subject.carve(subject.structure.without_ffn(0).change(0, hard_k=share))
    else:
        subject.carve(subject.structure.without_attention(0).without_ffn(1).without_layer(1).change(2, hard_k=share))
    return subject


def first(name, k=None):
    """The last layer of a classifier for one token alone, with heads gone."""
    subject = tiny_subject(family_of(name))
    subject.carve(subject.structure.without_heads(2, [0, 3]).change(2, hard_k=k))
    subject.carve(axkit.Structure(subject.structure.layers, 4, 24, first_token_only=True))
    return subject


def headed(name, head):
    model = tiny_model(family_of(name), head=head, num_labels=3 if head == "TokenClassification" else 2)
    subject = torch_subject(model, reader=tiny_tokenizer())
    subject.carve(subject.structure.without_heads(1, [2]).without_ffn(0))
    return subject


def passed(subject, runner, **settings):
    """Through a pass."""
    config = runner.Config(**settings)
    with TemporaryDirectory() as scratch:
        result = runner().apply(subject, config, lend(Path(scratch)))
    names = {Int8: "int8", Int4Vsq: "int4_vsq", Bf16: "bf16", Fp16: "fp16", Int8Bnb: "int8_bnb", Int4Bnb: "int4_bnb"}
    subject.passed(TrailStep(names[runner], "test", config.model_dump(mode="json"), result.state, result.facts))
    return subject


def of_even_widths():
    """Widths that bitsandbytes' kernels take, a head and a block gone."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2}
    subject = torch_subject(tiny_model(family_of("bert"), **sizes), reader=tiny_tokenizer())
    subject.carve(subject.structure.without_heads(0, [1]).without_ffn(1))
    return subject


def carved_behind_int8():
    """What int8 lists and a later pass removed must not come back."""
    subject = passed(uneven("bert"), Int8)
    subject.carve(subject.structure.without_attention(1))
    subject.passed(TrailStep("axformer_prune", "test"))
    return subject


CASES = {
    **{f"uneven-{name}": (uneven, name) for name in FAMILIES + ALIKE},
    **{f"blocks-{name}": (blocks, name) for name in FAMILIES},
    **{f"first-{name}": (first, name) for name in FIRST},
    **{f"first-hard-{name}": (first, name, 3) for name in FIRST},
    **{f"{head}-{name}": (headed, name, head) for name in ("bert", "gpt2") for head in ("TokenClassification",)},
    "pipeline": (uneven, "bert"),
    "questions": (headed, "distilbert", "QuestionAnswering"),
    **{f"int8-{name}": (lambda n: passed(uneven(n), Int8), name) for name in ("albert", "bert", "gpt2", "modernbert")},
    "int8-first": (lambda: passed(first("bert", 3), Int8),),
    "int8-ranges": (lambda: passed(uneven("distilbert"), Int8, activations="static"),),
    "int8-behind": (carved_behind_int8,),
    **{f"vsq-{name}": (lambda n: passed(uneven(n), Int4Vsq, activation_bits=8), name) for name in ("bert", "gpt2")},
    "vsq-dense": (lambda: passed(tiny_subject(family_of("bert")), Int4Vsq, vector=4, scale_bits=5),),
    "bnb-int8": (lambda: passed(uneven("bert"), Int8Bnb),),
    "bnb-int4": (lambda: passed(of_even_widths(), Int4Bnb),),
    "bf16": (lambda: passed(uneven("bert"), Bf16),),
    "fp16": (lambda: passed(first("roberta"), Fp16),),
}


if version("transformers") == "5.0.0":  # ModernBERT needs a later one
    CASES = {name: case for name, case in CASES.items() if "modernbert" not in name}


def inputs_of(subject):
    """Rows of several lengths, padded."""
    return next(iter(tiny_split(family=subject.family).batches(8))).inputs


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Folder by name, what was answered before it was saved, and what transformers alone answers."""
    root = tmp_path_factory.mktemp("folders")
    expected = {}
    for name, (make, *arguments) in CASES.items():
        subject = make(*arguments)
        (root / name).mkdir()
        expected[name] = dict(subject.body.answer(inputs_of(subject)))
        save(subject, tiny_reader(subject.family), root / name)
        save_file(dict(inputs_of(subject)), root / f"{name}.in.safetensors")
    surroundings = {
        **os.environ,
        "HF_HOME": str(root.parent / "hf"),
        "PYTHONPATH": os.environ.get("AXKIT_TEST_PATH", ""),
    }
    code = [sys.executable, str(SCRIPT), str(root)]
    done = subprocess.run(code, capture_output=True, text=True, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    return root, expected


@pytest.mark.parametrize("name", CASES)
def test_transformers_alone_answers_the_same(answered, name):
    root, expected = answered
    config = json.loads((root / name / "config.json").read_text())
    assert config["model_type"].startswith("axkit_")
    assert "modeling_axkit.py" in json.loads((root / name / "axkit.json").read_text())["sha256"]
    found = load_file(root / f"{name}.out.safetensors")
    assert found
    for which, logits in found.items():
        assert logits.dtype == expected[name][which].dtype
        # one token alone is computed in another order of sums
        allowed = 2e-6 if name.startswith(("first", "bnb")) else 0.0
        torch.testing.assert_close(logits, expected[name][which], atol=allowed, rtol=allowed)


@pytest.mark.parametrize("name", CASES)
def test_axkit_still_loads_it_and_runs_no_code_of_it(answered, name):
    root, expected = answered
    subject = load_subject(root / name)
    assert not any(name.startswith("transformers_modules") for name in sys.modules)
    found = subject.body.answer(inputs_of(subject))
    for which in load_file(root / f"{name}.out.safetensors"):
        assert torch.equal(found[which], expected[name][which])


def test_pipelines_and_what_is_said_without_the_flag(answered):
    root, _ = answered
    subject = uneven("bert")
    logits = subject.body.answer(dict(tiny_tokenizer()("the film was good", return_tensors="pt")))["logits"]
    shares = logits[0].softmax(-1).tolist()
    said = {one["label"]: one["score"] for one in json.loads((root / "said.json").read_text())}
    assert said == {f"LABEL_{i}": pytest.approx(share, abs=1e-6) for i, share in enumerate(shares)}
    refused = (root / "refused.txt").read_text()
    assert "trust_remote_code=True" in refused
    assert "upgrade" not in refused.lower()


def test_what_transformers_alone_saves_again_is_whole(answered):
    """The modeling file goes along, and axkit knows the folder."""
    root, expected = answered
    assert (root / "again.saved" / "modeling_axkit.py").read_text() == (
        root / "pipeline" / "modeling_axkit.py"
    ).read_text()
    subject = load_subject(root / "again.saved")
    assert torch.equal(subject.body.answer(inputs_of(subject))["logits"], expected["pipeline"]["logits"])


def strange(linear):
    """Nobody says its twin, and its weights have names of their own."""
    made = Strange(linear.in_features, linear.out_features)
    made.weight.data.copy_(linear.weight)
    return made


def gained(linear):
    """It is a linear layer, has one's weights, and computes something else."""
    return Gained(linear)


def hooked(linear):
    linear.register_forward_hook(lambda module, given, made: 2 * made)
    return linear


def added(linear):
    linear.add_module("more", torch.nn.LayerNorm(2))
    return linear


class Strange(torch.nn.Module):
    """Of a pass that says nothing of transformers alone."""

    def __init__(self, columns, rows):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(rows, columns))

    def forward(self, x):
        return x @ self.weight.T


REFUSED = """\
import sys
class NoAxkit:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("axkit", "axkit_plugins"):
            raise ImportError(name)
sys.meta_path.insert(0, NoAxkit())
import transformers
for folder in sys.argv[1:]:
    for auto in (transformers.AutoConfig, transformers.AutoModelForSequenceClassification):
        for trusted in (True, False):
            try:
                auto.from_pretrained(folder, trust_remote_code=trusted)
                print("loaded")
            except Exception as error:
                print(type(error).__name__, str(error).replace(chr(10), " "))
"""


def test_a_module_without_a_twin_leaves_the_folder_to_axkit(tmp_path):
    """No weights are lost without a word, and the word is axkit, no upgrade of transformers."""
    made = (strange, gained, hooked, added)
    for make in made:
        subject = uneven("bert")
        subject.module.classifier = make(subject.module.classifier)
        subject.passed(TrailStep("odd", "axkit-odd 0.3", {}, {"at": "classifier"}))
        (tmp_path / make.__name__).mkdir()
        save(subject, tiny_tokenizer(), tmp_path / make.__name__)
        assert "modules" not in json.loads((tmp_path / make.__name__ / "config.json").read_text())["axkit"]
    surroundings = {**os.environ, "HF_HOME": str(tmp_path / "hf")}
    code = [sys.executable, "-c", REFUSED, *(str(tmp_path / make.__name__) for make in made)]
    done = subprocess.run(code, capture_output=True, text=True, env=surroundings, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4 * len(made)
    for trusted, other in zip(lines[::2], lines[1::2], strict=True):
        assert trusted.startswith("ImportError this model has modules that transformers alone does not make")
        assert "install axkit and axkit-odd, and load it by axkit.load(folder)" in trusted
        assert other.startswith("ValueError")
        assert "trust_remote_code" in other
        assert "upgrade" not in other.lower()


def test_where_axkit_is_imported_the_refusal_is_not_read(tmp_path):
    import transformers

    subject = uneven("bert")
    subject.module.classifier = strange(subject.module.classifier)
    save(subject, tiny_tokenizer(), tmp_path)
    # the first releases of transformers 5 read the folder's own file whenever it is trusted
    local_first = "explicit_local_code" in inspect.getsource(transformers.AutoConfig.from_pretrained)
    for trusted in (None, False, True)[: 3 if local_first else 2]:
        config = transformers.AutoConfig.from_pretrained(tmp_path, trust_remote_code=trusted)
        assert type(config).__module__.startswith("axkit.")


def test_code_does_not_count_as_the_models_bytes(answered):
    root, _ = answered
    folder = root / "uneven-bert"
    manifest = read_manifest(folder)
    files = [path for path in folder.iterdir() if path.name != "modeling_axkit.py"]
    assert manifest.bytes_of(folder) == sum(path.stat().st_size for path in files)

"""What ``export`` holds is decided in the plan, from config.json alone: the stage then refuses nothing of it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from command import refused
from conftest import HEAD
from exporting import SHAPES, exported, gap, inputs_of, subject_of, workplace
from transformers.activations import ACT2CLS, ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from axkit.anatomy.family import family_of
from axkit.ground.errors import NotApplicable
from axkit.testing import lend, tiny_subject
from axkit_plugins.quantize.int4_vsq import Int4Vsq
from axkit_plugins.runtimes.body import About
from axkit_plugins.runtimes.export import Export
from axkit_plugins.runtimes.network.forms import ACTIVATIONS, FORMS, ROTATIONS, check_config
from axkit_plugins.runtimes.onnx.body import OnnxBody
from axkit_plugins.runtimes.onnx.graph import Graph
from axkit_plugins.runtimes.onnx.products import activate
from axkit_plugins.runtimes.openvino.body import OpenVinoBody
from axkit_plugins.runtimes.packed.products import activation

REFUSED = {"prelu", "xielu", "sqrtsoftplus"}  # two have weights of their own, one no runtime has to five digits
HELD = [name for name in ACT2CLS if name not in REFUSED]
TO_COMPARE = np.linspace(-13, 13, 261, dtype=np.float32)
RECIPE = (
    HEAD
    + """\
  - {pass: finetune, epochs: 1}
  - {pass: export, runtime: RUNTIME}
"""
)


def is_refused(ask, *given, **settings):
    try:
        ask(*given, **settings)
    except NotApplicable:
        return True
    return False


def in_a_graph(body, name):
    """What a graph makes of numbers by one activation."""
    graph = Graph()
    graph.rename(graph.add("Identity", activate(graph, "x", ACTIVATIONS[name])), "y")
    dims = {"x": [1, 1, 1, len(TO_COMPARE)]}
    model = graph.model(dims, {"y": dims["x"]})
    session = body({}, model, About(body.runtime, "float32", 0)).open(1)
    (found,) = session.run({"x": TO_COMPARE.reshape(1, 1, 1, -1)}).values()
    return found.reshape(-1)


@pytest.mark.parametrize("body", [OnnxBody, OpenVinoBody])
@pytest.mark.parametrize("name", HELD)
def test_graphs_compute_the_activations_of_transformers(name, body):
    expected = ACT2FN[name](torch.from_numpy(TO_COMPARE)).numpy()
    assert np.abs(in_a_graph(body, name) - expected).max() < 2e-5


@pytest.mark.parametrize("name", HELD)
def test_a_packed_model_computes_them_too(name):
    given = torch.from_numpy(TO_COMPARE)
    assert (activation(ACTIVATIONS[name])(given) - ACT2FN[name](given)).abs().max() < 1e-5


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch-packed"])
@pytest.mark.parametrize("name", [*ACT2CLS])
def test_the_stage_refuses_what_the_plan_refuses_and_no_more(name, runtime):
    settings = Export.Config(runtime=runtime)
    for family, fields in (("bert", ["hidden_act"]), ("modernbert", ["hidden_activation", "classifier_activation"])):
        for field in fields:
            at_plan = is_refused(Export().check_model, family_of(family), {field: name}, settings)
            subject = subject_of(family, **{field: name})
            assert at_plan == is_refused(exported, subject, runtime=runtime) == (name in REFUSED)
            if not at_plan:
                assert gap(subject, exported(subject, runtime=runtime), shapes=SHAPES[1:3]) < 1e-4


@pytest.mark.parametrize("name", FORMS)
def test_what_a_config_leaves_out_is_held(name):
    check_config(name, {})
    check_config(name, CONFIG_MAPPING[name]().to_dict())


@pytest.mark.parametrize("name", FORMS)
def test_the_fields_are_those_of_transformers(name):
    known, beside = CONFIG_MAPPING[name]().to_dict(), FORMS[name].beside
    assert {field for field in FORMS[name].activated_by if field not in known} <= {beside}
    for field in FORMS[name].activated_by:
        with pytest.raises(NotApplicable, match=f"its {field} is 'prelu'"):
            check_config(name, {field: "prelu"})


ROPE = {"rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 64}
OF_KIND = {"llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0}, "longrope": {}}


@pytest.mark.parametrize("kind", ["default", *ROPE_INIT_FUNCTIONS])
def test_rotations_are_held_where_their_angles_are_the_same_at_every_length(kind):
    said = {"rope_type": kind, **ROPE, **OF_KIND.get(kind, {})}
    if kind == "default":
        said = {"rope_type": kind, "rope_theta": 10_000.0}
    both = {"rope_parameters": {"full_attention": said, "sliding_attention": dict(said)}}
    refuses = [is_refused(check_config, "modernbert", one) for one in (both, {"rope_scaling": {"type": kind}})]
    assert refuses == [kind not in ROTATIONS] * 2
    if kind == "longrope":
        return  # it needs a list of factors, which is no other kind of refusal
    subject = subject_of("modernbert", **both)
    if kind not in ROTATIONS:
        with pytest.raises(NotApplicable, match=f"its rotations are of the type '{kind}'"):
            exported(subject)
        return
    for runtime in ("onnxruntime", "torch-packed"):
        assert gap(subject, exported(subject, runtime=runtime)) < 1e-4


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch-packed"])
@pytest.mark.parametrize("settings", [{"embedding_size": 16}, {"conv_kernel_size": 3, "conv_act": "gelu_fast"}])
def test_deberta_in_other_forms(settings, runtime):
    subject = subject_of("deberta-v2", **settings)
    assert gap(subject, exported(subject, runtime=runtime)) < 1e-4


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch-packed"])
def test_a_convolution_stands_alone_where_its_layer_is_gone(runtime):
    subject = subject_of("deberta-v2", conv_kernel_size=3)
    subject.carve(subject.structure.without_layer(0))
    assert gap(subject, exported(subject, runtime=runtime)) < 1e-4
    subject.carve(subject.structure.without_layer(1).without_layer(2))
    assert gap(subject, exported(subject, runtime=runtime)) < 1e-4


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch-packed"])
def test_gpt2_adds_token_types_where_its_tokenizer_gives_them(runtime):
    subject, inputs = subject_of("gpt2"), inputs_of(3, 12, 0)
    inputs["token_type_ids"] = (torch.arange(12) > 5).long().expand(3, 12).contiguous()
    for names in (["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]):
        subject.reader = type("Reader", (), {"model_input_names": names})()
        given = {name: inputs[name] for name in names}
        apart = subject.body.answer(given)["logits"] - exported(subject, runtime=runtime).body.answer(given)["logits"]
        assert apart.abs().max() < 1e-4


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch-packed"])
@pytest.mark.parametrize("vector", [16, 24])
def test_inputs_that_int4_vsq_rounds_are_rounded(tmp_path, vector, runtime):
    subject = tiny_subject(family_of("bert"))
    Int4Vsq().apply(subject, Int4Vsq.Config(vector=vector, activation_bits=3), lend(tmp_path))
    other, plain = (exported(subject, runtime=runtime, precision=name) for name in ("stored", "float32"))
    apart = [gap(subject, one, shapes=[(1, 5)]) for one in (in_float32(other), in_float32(plain))]
    assert apart[0] < 1e-3, "inputs are rounded otherwise"
    assert apart[1] > 1e-2, "that they are rounded does not show"


def in_float32(subject):
    """As where a processor has no bfloat16."""
    about = getattr(subject.body, "about", None)
    if about is not None:
        subject.body.about = dataclasses.replace(about, computes="float32")
    return subject


@pytest.fixture(params=["onnxruntime", "torch-packed"])
def place(request, tmp_path, monkeypatch):
    return workplace(tmp_path, monkeypatch, RECIPE.replace("RUNTIME", request.param))


@pytest.mark.parametrize("command", [["plan"], ["apply", "--out", "out"]])
def test_the_plan_refuses_before_anything_is_computed(place, run, command):
    said = json.loads((place / "model" / "config.json").read_text(encoding="utf-8"))
    (place / "model" / "config.json").write_text(json.dumps(said | {"hidden_act": "prelu"}), encoding="utf-8")
    result = run(command[0], "recipe.yaml", *command[1:])
    (line,) = refused(result, "recipe.yaml, line 11", "'export': its hidden_act is 'prelu'", "leave the pass out")
    assert "gelu" in line
    assert not (place / "out").exists()


def test_the_plan_needs_no_torch():
    code = "import sys\nfrom axkit_plugins.runtimes.export import Export\nfrom axkit.anatomy.family import family_of\n"
    code += "Export().check_model(family_of('bert'), {'hidden_act': 'mish'}, Export.Config())\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

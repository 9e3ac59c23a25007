"""A packed model answers as its modules do: at every length, of every structure, for every head, in every precision."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from exporting import (
    HEADS,
    SHAPES,
    V3,
    K,
    cut,
    cut_to_biases,
    exported,
    gap,
    in_eight_bits,
    inputs_of,
    subject_of,
)
from torch import nn

from axkit.anatomy.family import family_of
from axkit.ground.errors import NotApplicable
from axkit.ground.processes import Processes
from axkit.kit import replace_module
from axkit.kit.int8_choosing import Measured
from axkit.testing import check_pass, check_runtime, lend, tiny_split, tiny_subject
from axkit_plugins.half import Bf16
from axkit_plugins.quantize.int4_vsq import Int4Vsq
from axkit_plugins.runtimes.export import Export
from axkit_plugins.runtimes.network.forms import FORMS
from axkit_plugins.runtimes.packed.attention import largest
from axkit_plugins.runtimes.packed.body import PackedBody, _like_rows
from axkit_plugins.runtimes.packed.tokens import Tokens, computed

HERE = "torch-packed"


def packed(subject, **settings):
    return exported(subject, runtime=HERE, **settings)


@pytest.mark.parametrize("name", sorted(set(FORMS) - {"vit"}))
def test_every_family_at_every_length(name):
    subject = subject_of(name)
    assert gap(subject, packed(subject), shapes=(*SHAPES, (1, 138))) < 1e-4, (
        "the last has nearly all positions there are"
    )
    cut(subject, last=K)  # among many small ones the last kept is a matter of rounding
    assert gap(subject, packed(subject)) < 1e-4
    subject.carve(subject.structure.change(0, hard_k=0.4))
    assert gap(subject, packed(subject), shapes=SHAPES[:-1]) < 1e-4


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["bert", "distilbert", "mpnet", "gpt2", "modernbert"])
def test_every_head(name, head):
    subject = cut(subject_of(name, head), last=K)
    assert gap(subject, packed(subject)) < 1e-4


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_blocks_without_width_are_their_biases(name):
    subject = cut_to_biases(subject_of(name))
    assert gap(subject, packed(subject)) < 1e-5


@pytest.mark.parametrize("settings", [V3, {"pos_att_type": ["c2p"]}, {"relative_attention": False}])
def test_deberta_as_it_comes(settings):
    subject = cut(subject_of("deberta-v2", **settings))
    assert gap(subject, packed(subject), shapes=SHAPES[:-1]) < 1e-4


def test_one_token_alone_in_the_last_layer():
    subject = cut(subject_of("bert"))
    subject.carve(dataclasses.replace(subject.structure, first_token_only=True))
    assert gap(subject, packed(subject)) < 1e-4


def test_heads_that_read_other_tokens():
    subject = cut(subject_of("modernbert", classifier_pooling="mean"))
    assert gap(subject, packed(subject), shapes=SHAPES[:-1]) < 1e-4
    subject = subject_of("gpt2")
    inputs = inputs_of(3, 12, 0)
    inputs["input_ids"][0, -2:] = 0  # a text that ends in what is padded with
    apart = subject.body.answer(inputs)["logits"] - packed(subject).body.answer(inputs)["logits"]
    assert apart.abs().max() < 1e-4


def test_images():
    subject = tiny_subject(family_of("vit"))
    left = subject.structure.keep_heads(0, [0, 2]).change(0, hard_k=4).without_attention(1).keep_neurons(2, range(5))
    for structure in (subject.structure, left, dataclasses.replace(left, first_token_only=True)):
        subject.carve(structure)
        other = packed(subject)
        for batch in tiny_split(9, family=subject.family).batches(4):
            apart = subject.body.answer(batch.inputs)["logits"] - other.body.answer(batch.inputs)["logits"]
            assert apart.abs().max() < 1e-4


@pytest.mark.parametrize("grid", [None, (-4.0, 4.0)])
def test_stored_integers_are_multiplied(grid):
    """One row at a time, where both round the same inputs by the same range."""
    subject = in_eight_bits(cut(subject_of("bert", "TokenClassification"), last=K), grid)
    assert gap(subject, packed(subject), shapes=[(1, 5), (1, 20)]) < 1e-5
    expanded = packed(subject, precision="float32")
    assert gap(subject, expanded, shapes=[(1, 20)]) > 1e-3, "rounding of inputs does not show"
    assert gap(expanded, exported(subject, precision="float32"), shapes=[(1, 20), (4, 40)]) < 1e-4


def test_integers_may_be_computed_in_bfloat16(monkeypatch):
    subject = in_eight_bits(subject_of("bert"))
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: True)
    wide, half = packed(subject, precision="float32"), packed(subject, precision="bfloat16")
    inputs = inputs_of(4, 20, 0)
    one, other = (some.body.answer(inputs)["logits"] for some in (wide, half))
    assert other.dtype == torch.float32
    assert 0 < (one - other).abs().max() < 0.1 * one.std()
    assert half.body.values() == subject.body.values()
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: False)
    again, stored = packed(subject, precision="bfloat16"), packed(subject)
    assert torch.equal(*(some.body.answer(inputs)["logits"] for some in (again, stored)))


def test_a_model_in_bfloat16_is_computed_in_it(tmp_path, monkeypatch):
    subject = subject_of("bert")
    Bf16().apply(subject, Bf16.Config(), lend(tmp_path))
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: True)
    inputs = inputs_of(4, 20, 0)
    one, other = (some.body.answer(inputs)["logits"].float() for some in (subject, packed(subject)))
    assert (one - other).abs().max() < 0.1 * one.std()


@pytest.mark.parametrize("seconds", [(1.0, 2.0), (2.0, 1.0)])
def test_the_fastest_is_measured_and_told(seconds, tmp_path, monkeypatch):
    subject = in_eight_bits(subject_of("bert"))
    times = dict(zip(("stored", "bfloat16"), seconds, strict=True))
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: True)
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.time_in_turn", lambda made, x: Measured(times, True))
    result = Export().apply(subject, Export.Config(runtime=HERE, precision="fastest"), lend(tmp_path))
    assert subject.body.computes == min(times, key=times.get)
    assert result.note.split("computed in ")[1].startswith("bfloat16, 2.00" if seconds[0] == 2 else "what is")


class Second(Processes):
    """A process that does not measure; the first one found bfloat16 the faster."""

    rank, count = 1, 2

    def measured(self, measure):
        return [2.0, 1.0]


def test_of_several_processes_one_measures_and_all_compute_alike(tmp_path, monkeypatch):
    subject, tools = in_eight_bits(subject_of("bert")), dataclasses.replace(lend(tmp_path), processes=Second())
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: True)
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.time_in_turn", lambda made, x: pytest.fail("measured"))
    Export().apply(subject, Export.Config(runtime=HERE, precision="fastest"), tools)
    assert subject.body.computes == "bfloat16"


def test_without_bfloat16_there_is_nothing_to_measure(monkeypatch):
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: False)
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.time_in_turn", lambda made, x: pytest.fail("measured"))
    assert packed(subject_of("bert"), precision="fastest").body.computes == "stored"


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_what_it_is_measured_on_is_answered(name):
    subject = tiny_subject(family_of(name))
    answered = packed(subject).body.answer(_like_rows(subject))["logits"]
    assert len(answered) == 32
    assert answered.isfinite().all()


def test_exactly_k_are_kept_in_sixteen_bits(monkeypatch):
    """Where many probabilities are equal to the bit."""
    weights = torch.rand(64, 100).bfloat16().float().softmax(-1)
    assert (largest(weights, 10, None, False) > 0).sum(-1).max() > 10, "premise"
    assert ((largest(weights, 10, None, True) > 0).sum(-1) == 10).all()
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: True)
    subject = subject_of("bert")
    subject.carve(subject.structure.change(0, hard_k=K))
    half, whole = packed(subject, precision="bfloat16"), packed(subject)
    assert half.body.opened().layers[0].attention.seen.exactly
    assert not whole.body.opened().layers[0].attention.seen.exactly


def test_a_shared_layer_holds_its_weights_once():
    model = packed(subject_of("albert")).body.opened()
    assert len(model.layers) > 2
    assert len({id(one.ffn) for one in model.layers}) <= 2, "the last is computed for one token"


def test_without_a_kernel_fixed_ranges_hold(monkeypatch):
    monkeypatch.setattr("axkit.kit.int8_choosing.kernels_here", lambda fixed: ())
    subject = in_eight_bits(subject_of("bert", "TokenClassification"), (-0.5, 0.5))
    assert gap(subject, packed(subject), shapes=[(1, 5), (1, 20)]) < 1e-4


def test_what_is_asked_for_and_not_done_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("axkit_plugins.runtimes.packed.body.has_bfloat16", lambda: False)
    config = Export.Config(runtime=HERE, precision="bfloat16")
    assert "has no bfloat16" in Export().apply(subject_of("bert"), config, lend(tmp_path)).note


def test_versions_of_the_runtime_are_part_of_a_stage():
    known = {name: Export().packages_of(Export.Config(runtime=name)) for name in ("onnxruntime", "openvino", HERE)}
    assert known == {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "onnxruntime", "openvino"), HERE: ()}


def test_four_bits_are_expanded(tmp_path):
    subject = cut(tiny_subject(family_of("bert")))
    Int4Vsq().apply(subject, Int4Vsq.Config(vector=16), lend(tmp_path))
    assert gap(subject, packed(subject), shapes=[(1, 5), (4, 20)]) < 1e-4


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_the_body_keeps_the_contract(name):
    family = family_of(name)
    subject = packed(cut(tiny_subject(family)) if name == "bert" else tiny_subject(family))
    check_runtime(subject, [batch.inputs for batch in tiny_split(24, family=family).batches(8)])


def test_the_pass_keeps_its_contract():
    assert check_pass(Export, "distilbert", runtime=HERE).body.runtime == HERE


def test_what_it_does_not_do_is_one_sentence():
    subject = subject_of("bert")
    for settings in ({"precision": "int8"}, {"packed": False}):
        with pytest.raises(NotApplicable, match="torch-packed rounds nothing and leaves padding out"):
            Export().check(subject.family, Export.Config(runtime=HERE, **settings))
    with pytest.raises(NotApplicable, match="'fastest' is measured for torch-packed alone"):
        Export().check(subject.family, Export.Config(precision="fastest"))
    replace_module(subject.module, "bert.encoder.layer.1.output.dense", nn.Bilinear(2, 2, 2))
    with pytest.raises(NotApplicable, match="layer 1, ffn_out is stored as a Bilinear"):
        packed(subject)


def test_few_numbers_of_tokens_come_about():
    """For each oneDNN compiles its products anew."""
    found = [computed(tokens) for tokens in range(4097)]
    assert found[0] > 0
    assert all(tokens <= many <= max(tokens + 7, 1.125 * tokens + 1) for tokens, many in enumerate(found) if tokens)
    assert len(set(found)) <= 8 + 8 * 6
    subject, seen = subject_of("bert"), set()
    body = packed(subject).body
    model, inner = body.opened(), body.opened().layers[0].attention.project
    object.__setattr__(model.layers[0].attention, "project", lambda x: seen.add(x.shape) or inner(x))
    for seed in range(12):
        body.answer(inputs_of(8, 33 + seed % 4, 0, seed))
    assert seen
    assert all(computed(tokens) == tokens for tokens, _ in seen)


def test_padding_is_computed_where_that_takes_no_longer():
    """But for integers, which are rounded by the range of all inputs: an answer goes by its own tokens alone."""
    mask = torch.tensor([[1] * 20 + [0] * 4])
    assert Tokens.of(mask, apart=False).kept is None
    assert len(Tokens.of(mask, apart=True).kept) == computed(20)
    assert Tokens.of(torch.cat((mask, mask[:, :1].expand(-1, 24).cumsum(1) < 3)), apart=False).kept is not None
    assert packed(subject_of("bert")).body.opened().apart is False
    assert packed(in_eight_bits(subject_of("bert"))).body.opened().apart is True


class Adds(PackedBody):
    def answer(self, inputs):
        return {name: one + 3 for name, one in super().answer(inputs).items()}


def test_the_model_that_is_kept_is_the_one_that_is_computed():
    subject = packed(subject_of("bert", "TokenClassification"))
    batches = [inputs_of(4, tokens, 0) for tokens in (7, 20)]
    check_runtime(subject, batches)
    subject.body = Adds(**vars(subject.body))
    with pytest.raises(AssertionError, match="keeps answers otherwise"):
        check_runtime(subject, batches)

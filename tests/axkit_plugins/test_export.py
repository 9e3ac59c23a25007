"""Graphs of onnxruntime answer as PyTorch does: at every length, of every structure, for every head."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from exporting import HEADS, SHAPES, V3, K, cut, cut_to_biases, exported, gap, in_eight_bits, inputs_of, subject_of
from torch import nn

import axkit
from axkit.anatomy.family import family_of
from axkit.ground.errors import NotApplicable
from axkit.ground.target import Target
from axkit.kit import replace_module
from axkit.testing import check_pass, check_runtime, lend, tiny_split, tiny_subject
from axkit_plugins.quantize.int4_vsq import Int4Vsq
from axkit_plugins.runtimes.body import completed
from axkit_plugins.runtimes.export import Export
from axkit_plugins.runtimes.network.forms import FORMS
from axkit_plugins.runtimes.onnx import body as onnx_body

RUNTIMES = ("onnxruntime", "openvino")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", sorted(set(FORMS) - {"vit"}))
def test_every_family_at_every_length(name, packed):
    subject = subject_of(name)
    assert gap(subject, exported(subject, packed=packed)) < 1e-4
    assert gap(cut(subject), exported(subject, packed=packed)) < 1e-4


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "head"),
    [("bert", 0), ("roberta", 1), ("distilbert", 2), ("mpnet", 0), ("gpt2", 0), ("modernbert", 2), ("deberta-v2", 0)],
)
def test_openvino_reads_the_same_graph(name, head, packed):
    subject = cut(subject_of(name, HEADS[head]), last=K)  # among many small ones the last kept is a matter of rounding
    assert gap(subject, exported(subject, runtime="openvino", packed=packed), shapes=(*SHAPES, (1, 20), (1, 64))) < 1e-4
    subject.carve(subject.structure.change(0, hard_k=0.4))
    assert gap(subject, exported(subject, runtime="openvino", packed=packed), shapes=SHAPES[:-1]) < 1e-4


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["bert", "distilbert", "mpnet", "gpt2", "modernbert"])
def test_every_head(name, head):
    subject = cut(subject_of(name, head))
    assert gap(subject, exported(subject)) < 1e-4


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_blocks_without_width_are_their_biases(name, runtime):
    subject = cut_to_biases(subject_of(name))
    assert gap(subject, exported(subject, runtime=runtime)) < 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("times", "packed"), [(1.4, True), (0.98, True), (0.5, False)])
def test_padding_is_computed_where_that_is_faster(runtime, times, packed, tmp_path, monkeypatch):
    asked = []

    def timed(one, other, rows, batch, **_):
        asked.append((len(one.model), len(other.model), batch))
        return times

    monkeypatch.setattr(axkit, "relative_speed", timed)
    subject = cut(subject_of("bert"))
    explicit = exported(subject, runtime=runtime, packed=packed)
    tools = dataclasses.replace(lend(tmp_path), target=Target(batch=4))
    note = Export().apply(subject, Export.Config(runtime=runtime), tools).note
    assert subject.body.model == explicit.body.model
    assert ("Padding is computed: with 4 rows at a time that is 2.00 times as fast" in note) == (not packed)
    ((one, other, batch),) = asked
    assert (one != other, batch) == (True, 4)


def test_which_of_the_two_is_faster_is_timed(tmp_path):
    subject = cut(subject_of("bert"))
    Export().apply(subject, Export.Config(), lend(tmp_path))
    assert gap(subject, subject) == 0
    assert subject.body.runtime == "onnxruntime"


def test_one_token_alone_in_the_last_layer_is_exact():
    subject = cut(subject_of("bert"))
    every = exported(subject)
    subject.carve(dataclasses.replace(subject.structure, first_token_only=True))
    assert gap(subject, every) < 1e-4
    assert gap(subject, exported(subject)) < 1e-4


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_images(runtime):
    subject = tiny_subject(family_of("vit"))
    left = subject.structure.keep_heads(0, [0, 2]).change(0, hard_k=4).without_attention(1).keep_neurons(2, range(5))
    for structure in (subject.structure, left, dataclasses.replace(left, first_token_only=True)):
        subject.carve(structure)
        other = exported(subject, runtime=runtime)
        for batch in tiny_split(9, family=subject.family).batches(4):
            apart = subject.body.answer(batch.inputs)["logits"] - other.body.answer(batch.inputs)["logits"]
            assert apart.abs().max() < 1e-4
    check_runtime(other, [batch.inputs for batch in tiny_split(9, family=subject.family).batches(4)])


def test_a_head_may_read_the_mean_of_all_tokens():
    subject = cut(subject_of("modernbert", classifier_pooling="mean"))
    assert gap(subject, exported(subject)) < 1e-4
    assert gap(subject, exported(subject, packed=False)) < 1e-4


def test_a_head_reads_the_last_token_that_is_no_padding():
    """A text that ends in what is padded with: transformers looks at the token before."""
    subject = subject_of("gpt2")
    other, inputs = exported(subject), inputs_of(3, 12, 0)
    inputs["input_ids"][0, -2:] = 0
    apart = subject.body.answer(inputs)["logits"] - other.body.answer(inputs)["logits"]
    assert apart.abs().max() < 1e-4


@pytest.mark.parametrize("settings", [V3, {"pos_att_type": ["c2p"]}, {"relative_attention": False}])
def test_deberta_as_it_comes(settings):
    subject = cut(subject_of("deberta-v2", **settings))
    assert gap(subject, exported(subject)) < 1e-4
    subject.carve(subject.structure.without_layer(2).without_layer(1))
    assert gap(subject, exported(subject), shapes=SHAPES[:-1]) < 1e-4


def test_hard_attention_binds_in_what_is_compared():
    """Else all of the above shows nothing of it."""
    subject = subject_of("bert")
    soft = exported(subject)
    subject.carve(subject.structure.change(0, hard_k=K))
    assert gap(subject, soft, shapes=[(2, K)]) < 1e-5
    assert gap(subject, soft, shapes=[(4, 40)]) > 1e-3


def test_token_types_are_read_where_the_reader_makes_them():
    subject = subject_of("bert")
    subject.reader = type("Reader", (), {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]})()
    other, inputs = exported(subject), inputs_of(3, 12, 0)
    inputs["token_type_ids"] = (torch.arange(12) > 5).long().expand(3, 12).contiguous()
    expected, found = subject.body.answer(inputs)["logits"], other.body.answer(inputs)["logits"]
    assert (found - expected).abs().max() < 1e-4
    assert (
        other.body.answer(inputs | {"token_type_ids": torch.zeros(3, 12).long()})["logits"] - found
    ).abs().max() > 1e-3


@pytest.mark.parametrize("grid", [None, (-4.0, 4.0)])
def test_int8_computes_with_the_stored_integers(grid):
    """One row at a time, where both round the same inputs by the same range; a head that folds no product."""
    subject = in_eight_bits(cut(subject_of("bert", "TokenClassification")), grid)
    assert gap(subject, exported(subject), shapes=[(1, 5), (1, 20)]) < 1e-5
    expanded = exported(subject, precision="float32")
    assert gap(subject, expanded, shapes=[(1, 20)]) > 1e-3, "rounding of inputs does not show"


def test_int8_of_a_classifier_is_close_and_four_times_smaller():
    subject = subject_of("bert", hidden_size=128, intermediate_size=256, vocab_size=512)
    dense = exported(subject)
    eight, stored = exported(subject, precision="int8"), exported(in_eight_bits(subject.copy()))
    assert torch.equal(*(one.body.answer(inputs_of(4, 20, 0))["logits"] for one in (eight, stored)))
    assert len(eight.body.model) < 0.35 * len(dense.body.model)
    scale = float(dense.body.answer(inputs_of(4, 20, 0))["logits"].std())
    assert gap(in_eight_bits(subject), eight, shapes=[(1, 20)]) < 0.2 * scale


def test_few_tokens_go_to_one_thread_where_that_is_sooner_in_onnxruntime(monkeypatch):
    body, asked = exported(subject_of("bert")).body, []
    real = onnx_body.sooner

    def counted(alone, every, given):
        asked.append(given["input_ids"].size)
        return real(alone, every, given)

    monkeypatch.setattr(onnx_body, "sooner", counted)
    session, alone = body.open(2), body.open(1)
    for rows, tokens in ((1, 5), (1, 7), (2, 3), (1, 20), (8, 20)):
        given = {name: one.numpy() for name, one in completed(inputs_of(rows, tokens, 0)).items()}
        given = {name: given[name] for name in session.inputs}
        assert np.allclose(session.run(given)["logits"], alone.run(given)["logits"], atol=1e-6)
    assert asked == [5, 20], "once for as many tokens; many go to all threads, one thread has no other"


@pytest.mark.parametrize(("alone_s", "every_s", "taken"), [(1, 5, "alone"), (11, 10, "alone"), (15, 10, "every")])
def test_several_threads_must_be_worth_their_cores(monkeypatch, alone_s, every_s, taken):
    now = [0.0]
    monkeypatch.setattr(onnx_body.time, "perf_counter", lambda: now[0])

    def run_of(seconds):
        def run(given):
            now[0] += seconds
            return given

        return run

    alone, every = run_of(alone_s), run_of(every_s)
    assert onnx_body.sooner(alone, every, {}) is {"alone": alone, "every": every}[taken]


def test_one_short_row_has_a_graph_of_its_own_in_openvino():
    def reads(shapes, name="bert", **settings):
        body = exported(subject_of(name, **settings), runtime="openvino").body
        for tokens in shapes:
            body.answer(inputs_of(1, tokens, 0))
        return body.about.pads

    assert reads((1, 16, 17, 64, 65))
    assert reads((5,), "roberta")
    assert not reads((5,), "gpt2"), "it looks for the last token"
    assert not reads((5,), max_position_embeddings=40)


def test_openvino_keeps_the_bytes_and_widens_them():
    subject = in_eight_bits(subject_of("bert", vocab_size=512))
    other = exported(subject, runtime="openvino")
    assert other.body.about.computes == "bfloat16"
    assert len(other.body.model) < 0.8 * len(exported(subject, precision="float32").body.model)
    other.body.about = dataclasses.replace(other.body.about, computes="float32")  # as on a processor without bfloat16
    assert gap(exported(subject, precision="float32"), other, shapes=[(4, 20)]) < 1e-4


def test_openvino_computes_in_bfloat16_where_asked():
    subject = subject_of("bert", vocab_size=512)
    other = exported(subject, runtime="openvino", precision="bfloat16")
    assert other.body.about.computes == "bfloat16"
    assert len(other.body.model) < 0.8 * len(exported(subject).body.model)
    rounded = subject.copy()
    for module in rounded.module.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data = module.weight.data.bfloat16().float()
    other.body.about = dataclasses.replace(other.body.about, computes="float32")
    assert gap(rounded, other, shapes=[(4, 20)]) < 1e-4
    with pytest.raises(NotApplicable, match="take runtime openvino"):
        Export().check(subject.family, Export.Config(precision="bfloat16"))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("vector", [16, 24, 32])
def test_four_bits_are_kept(tmp_path, vector, runtime):
    """24: a vector that no operator of onnxruntime has."""
    subject = cut(tiny_subject(family_of("bert")))
    Int4Vsq().apply(subject, Int4Vsq.Config(vector=vector), lend(tmp_path))
    other = exported(subject, runtime=runtime)
    other.body.about = dataclasses.replace(other.body.about, computes="float32")
    assert gap(subject, other, shapes=[(1, 5), (4, 40)]) < 1e-4
    if vector == 16:
        assert len(other.body.model) < len(exported(subject, precision="float32").body.model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_stored_and_widened(dtype):
    subject = subject_of("bert", vocab_size=512)
    half = subject.copy()
    half.module.to(dtype)
    wide = half.copy()
    wide.module.float()
    other = exported(half)
    assert gap(wide, other) < 1e-4
    assert len(other.body.model) < 0.8 * len(exported(subject).body.model)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_body_keeps_the_contract(runtime):
    subject = exported(cut(tiny_subject(family_of("bert"))), runtime=runtime)
    check_runtime(subject, [batch.inputs for batch in tiny_split(24).batches(8)])
    assert subject.body.values() > 2000


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_pass_keeps_its_contract(runtime):
    assert check_pass(Export, "distilbert", runtime=runtime).body.runtime == runtime


def test_what_has_no_graph_is_one_sentence():
    stranger = family_of("bert").model_copy(update={"model_type": "stranger"})
    with pytest.raises(NotApplicable, match="'stranger' is none of them"):
        Export().check(stranger, Export.Config())
    subject = subject_of("bert")
    replace_module(subject.module, "bert.encoder.layer.1.output.dense", nn.Bilinear(2, 2, 2))
    with pytest.raises(NotApplicable, match="layer 1, ffn_out is stored as a Bilinear"):
        exported(subject)
    with pytest.raises(NotApplicable, match="head of a BertForMultipleChoice"):
        exported(subject_of("bert", "MultipleChoice"))

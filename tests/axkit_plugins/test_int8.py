from __future__ import annotations

import copy
import pickle

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from transformers.pytorch_utils import Conv1D

from axkit.anatomy.family import family_of
from axkit.contract.subject import TrailStep
from axkit.kit import divergence, input_ranges, linear_names, linear_roles, to_int8, weight_bytes
from axkit.tasks.kinds.known import KINDS
from axkit.testing import lend, logits_of, reload, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.quantize.int8 import Int8
from axkit_plugins.quantize.int8.modules import Int8Embedding, Int8Linear
from axkit_plugins.quantize.int8.precisions import Stored, which_is_faster


def test_weights_are_within_half_a_step():
    weight = torch.randn(7, 33)
    values, scale = to_int8(weight)
    assert values.dtype == torch.int8
    assert (values.float() * scale[:, None] - weight).abs().le(scale[:, None] / 2 + 1e-7).all()
    assert values.abs().amax(1).eq(127).all()


def test_linear_is_close_to_float_and_exact_on_what_it_stores():
    torch.manual_seed(0)
    linear = nn.Linear(64, 32)
    x = torch.randn(5, 9, 64)
    int8 = Int8Linear.from_float(linear)
    stored = nn.functional.linear(x, int8.weight.float() * int8.scale[:, None], int8.bias)
    assert (int8(x) - stored).abs().max() < 0.03 * stored.abs().max()
    assert (int8(x) - linear(x)).abs().max() < 0.04 * stored.abs().max()
    assert int8(x[:0]).shape == (0, 9, 32)


def test_embedding():
    embedding = nn.Embedding(50, 16, padding_idx=0)
    int8 = Int8Embedding.from_float(embedding)
    ids = torch.randint(0, 50, (3, 4))
    assert int8(ids).shape == (3, 4, 16)
    assert (int8(ids) - embedding(ids)).abs().max() < 0.02
    assert int8(torch.tensor([0])).eq(0).all()


def test_copies_and_pickles_without_the_packed_kernel_weights():
    linear = Int8Linear.from_float(nn.Linear(8, 8))
    x = torch.randn(2, 8)
    y = linear(x)
    assert torch.equal(copy.deepcopy(linear)(x), y)
    assert torch.equal(pickle.loads(pickle.dumps(linear))(x), y)


@pytest.mark.parametrize("input_range", [None, (-4.0, 4.0)])
def test_without_a_kernel_the_same_products_in_float(monkeypatch, input_range):
    linear = Int8Linear.from_float(nn.Linear(64, 8), input_range)
    x = torch.randn(2, 64).clamp(-4, 4)
    y = linear(x)
    monkeypatch.setattr("axkit.kit.int8_choosing.kernels_here", lambda fixed: ())
    assert torch.equal(linear(x), y)  # found once, kept
    moved = linear.to("cpu")  # forgotten when a module moves
    torch.testing.assert_close(moved(x), y, atol=0.05, rtol=0.05)
    monkeypatch.undo()
    assert torch.equal(linear.to("cpu")(x), y)


def run(subject, tmp_path, **settings):
    config = Int8.Config(**settings)
    result = Int8().apply(subject, config, lend(tmp_path, family=subject.family))
    subject.trail = (*subject.trail, TrailStep("int8", "test", config.model_dump(), result.state, result.facts))
    return result


def test_every_linear_and_embedding_is_replaced(family, tmp_path):
    subject = tiny_subject(family)
    before = weight_bytes(subject.module)
    split = tiny_split(family=family)
    dense = logits_of(subject.module, split)
    run(subject, tmp_path)
    spare = [f"{subject.module.base_model_prefix}.{path}" for path in family.read_directly]
    floats = (nn.Linear, nn.Embedding, Conv1D)
    assert [name for name, m in subject.module.named_modules() if isinstance(m, floats)] == spare
    assert weight_bytes(subject.module) < before / 2
    assert (logits_of(subject.module, split) - dense).abs().max() < 0.25 * dense.abs().max()


def test_static_linear_equals_the_same_sum_in_float():
    torch.manual_seed(0)
    linear, x = nn.Linear(64, 32), torch.randn(5, 9, 64).clamp(-2, 3)
    int8 = Int8Linear.from_float(linear, (-2.0, 3.0))
    step, zero = float(int8.input_scale), int(int8.input_zero)
    rounded = ((x / step).round().add(zero).clamp(0, 255) - zero) * step
    expected = nn.functional.linear(rounded, int8.weight.float() * int8.scale[:, None], int8.bias)
    assert (int8(x) - expected).abs().max() < 0.01
    assert (int8(1000 * x.sign()) - int8(torch.where(x > 0, 3.0, -2.0))).abs().max() < 1e-4  # clipped at the range
    assert torch.equal(copy.deepcopy(int8)(x), int8(x))


def test_static_scales_do_not_depend_on_the_batch(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    result = run(subject, tmp_path, activations="static")
    assert result.facts["static_layers"] == result.facts["linear_layers"]
    split = tiny_split()
    pair = subject.module(**split.batch([3, 4]).inputs).logits[0]
    torch.testing.assert_close(subject.module(**split.batch([3]).inputs).logits[0], pair, atol=1e-4, rtol=0)
    again = reload(subject, tiny_tokenizer())
    torch.testing.assert_close(logits_of(again.module, split), logits_of(subject.module, split))


@pytest.mark.parametrize("how", ["percentile", "ema"])
def test_ranges_enclose_most_inputs(unlike_family, tmp_path, how):
    subject, tools = tiny_subject(unlike_family), lend(tmp_path)
    layer = subject.layers[0]
    name = next(n for n, m in subject.module.named_modules() if m is layer.ffn_out)
    seen = []
    layer.ffn_out.register_forward_pre_hook(lambda module, args: seen.append(args[0].flatten()))
    low, high = input_ranges(subject.module, [name], tools.train, 40, how)[name]
    values = torch.cat(seen)
    assert values.min() <= low <= 0 < high <= values.max() + 1e-6
    assert ((values < low) | (values > high)).float().mean() < 0.01


def test_skip_and_sensitivity(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    result = run(subject, tmp_path, skip=["head", "ffn_out"], embeddings=False)
    assert all(isinstance(layer.ffn_out, nn.Linear | Conv1D) for layer in subject.layers)
    table = result.tables["sensitivity"]
    assert len(table) == (9 if unlike_family.fused_qkv else 15) == result.facts["linear_layers"]
    moves = [row["moves_nats"] for row in table]
    assert moves == sorted(moves, reverse=True)
    assert moves[0] > 0 <= moves[-1]
    assert {row["stored_in"] for row in table} == {"int8"}
    assert not run(tiny_subject(unlike_family), tmp_path, sensitivity_rows=0).tables["sensitivity"]


def test_a_bfloat16_copy_is_measured_beside_it(plain_family, tmp_path, monkeypatch):
    monkeypatch.setattr("axkit_plugins.quantize.int8.precisions.has_bfloat16", lambda: True)
    subject = tiny_subject(plain_family)
    result = run(subject, tmp_path)
    rows = result.tables["precisions"]
    assert [row["stored_as"] for row in rows] == ["float32", "bfloat16", "int8"]
    assert rows[0]["times_float32"] == 1
    assert rows[0]["moves_nats"] == 0
    assert all(row["times_float32"] > 0 < row["times_float32_b1"] for row in rows)
    assert rows[0]["times_float32_b1"] == 1
    assert rows[1]["weights_bytes"] == rows[0]["weights_bytes"] / 2
    assert rows[2]["weights_bytes"] == result.facts["weights_after_bytes"]
    assert 0 < rows[1]["moves_nats"] < rows[2]["moves_nats"]
    moved = ("moves_nats", 0.0)
    assert which_is_faster([Stored(**{k: v for k, v in row.items() if k not in moved}) for row in rows]) in result.note
    assert not run(tiny_subject(plain_family), tmp_path, beside_bfloat16=False).tables["precisions"]
    monkeypatch.setattr("axkit_plugins.quantize.int8.precisions.has_bfloat16", lambda: False)
    assert not run(tiny_subject(plain_family), tmp_path).tables["precisions"]


@pytest.mark.parametrize(
    ("int8", "bfloat16", "said"),
    [
        (1.8, 2.2, "A bfloat16 copy is 1.22x as fast as int8 here (int8 1.80x float32, bfloat16 2.20x), in 2.00x the"),
        (2.5, 1.25, "int8 is 2.00x as fast as a bfloat16 copy here (int8 2.50x float32, bfloat16 1.25x)."),
        (0.8, 0.9, "Neither int8 nor a bfloat16 copy is as fast as float32 here (int8 0.80x float32, bfloat16 0.90x)"),
        (2.0, 2.02, "int8 and a bfloat16 copy are equally fast here (int8 2.00x float32, bfloat16 2.02x)."),
    ],
)
def test_the_note_says_which_is_faster_and_the_way_to_it(int8, bfloat16, said):
    rows = [
        Stored("float32", 1.0, 400.0),
        Stored("bfloat16", bfloat16, 200.0),
        Stored("int8", int8, 100.0),
    ]
    assert which_is_faster(rows).startswith(said)
    assert ("`- pass: bf16`" in which_is_faster(rows)) == (bfloat16 > max(1, 1.03 * int8))
    assert which_is_faster([]) == ""


def test_one_of_query_key_and_value_spares_all_where_they_are_one(tmp_path):
    subject = tiny_subject(family_of("gpt2"))
    run(subject, tmp_path, skip=["query"])
    assert all(type(layer.qkv) is Conv1D and type(layer.ffn_in) is Int8Linear for layer in subject.layers)


@pytest.mark.parametrize("name", ["albert", "electra"])
def test_projections_of_embeddings_are_no_head(tmp_path, name):
    subject = tiny_subject(family_of(name), embedding_size=16)
    names = set(linear_roles(subject)) - set(linear_names(subject, ["head"]))
    assert names
    assert not [name for name in names if "embedding" in name]


def test_sensitivity_of_each_kind_of_task():
    ours, theirs = torch.randn(4, 6, 2), torch.randn(4, 6, 2)
    for kind in KINDS.values():
        assert divergence(kind, ours, ours) == 0
        assert 0 < divergence(kind, ours, theirs) < 10


def test_a_layer_with_an_outlier_stays_in_float(unlike_family, tmp_path):
    """One huge input weight makes all others of its output round to zero."""
    subject = tiny_subject(unlike_family)
    layer = subject.layers[1]
    with torch.no_grad():
        layer.matrix("ffn_in")[:, 0] = 2000.0
        norm = layer.ffn_norm if unlike_family.pre_norm else layer.attention_norm
        norm.weight[0] = 0.0  # ... of an input that is always zero
        if norm.bias is not None:
            norm.bias[0] = 0.0
    tools = lend(tmp_path)
    right = tools.search.evaluate(subject.module).predictions  # any answer that changes is a loss
    tools.search.labels = tools.search.golds = right
    config = Int8.Config(max_drop=10.0)
    result = Int8().apply(subject, config, tools)
    subject.trail = (TrailStep("int8", "test", config.model_dump(), result.state, result.facts),)
    assert isinstance(layer.ffn_in, nn.Linear | Conv1D)
    assert 0 < result.facts["left_in_float_layers"] < result.facts["linear_layers"]
    assert "max_drop" in result.note
    assert tools.search.evaluate(subject.module).score >= 90.0
    split = tiny_split()
    again = reload(subject, tiny_tokenizer())
    torch.testing.assert_close(logits_of(again.module, split), logits_of(subject.module, split))


def test_a_killed_bisection_goes_on_from_its_journal(plain_family, tmp_path, monkeypatch):
    dense = tiny_subject(plain_family)
    right = lend(tmp_path).search.evaluate(dense.module).predictions
    config = Int8.Config(max_drop=0.0)

    def run(folder, lines):
        subject, tools = tiny_subject(plain_family), lend(folder)
        tools.search.labels = tools.search.golds = right
        for line in lines:
            tools.journal.write(**line)
        return Int8().apply(subject, config, tools).state, tools.journal.read()

    state, lines = run(tmp_path / "whole", [])
    assert lines
    for count in range(len(lines) + 1):
        assert run(tmp_path / f"{count}", lines[:count]) == (state, lines)


def test_a_drop_that_is_allowed_leaves_nothing_in_float(unlike_family, tmp_path):
    assert run(tiny_subject(unlike_family), tmp_path, max_drop=100.0).facts["left_in_float_layers"] == 0


def test_max_drop_needs_the_table():
    with pytest.raises(ValidationError, match="sensitivity_rows"):
        Int8.Config(max_drop=1.0, sensitivity_rows=0)


def test_a_state_without_fixed_ranges_still_restores(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    state = dict(run(subject, tmp_path).state)
    del state["static"], state["float"]
    other = tiny_subject(unlike_family)
    Int8().restore(other, Int8.Config(), state)
    other.module.load_state_dict(subject.module.state_dict())
    split = tiny_split()
    torch.testing.assert_close(logits_of(other.module, split), logits_of(subject.module, split))

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from axkit.contract.subject import TrailStep
from axkit.kit import fake_quantize, pack_nibbles, stored_bits, unpack_nibbles
from axkit.testing import lend, logits_of, reload, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.quantize.int4_vsq import Int4Vsq
from axkit_plugins.quantize.int4_vsq import numbers as vsq
from axkit_plugins.quantize.int4_vsq.modules import VsqEmbedding, VsqLinear


def run(subject, tmp_path, **settings):
    config = Int4Vsq.Config(**settings)
    result = Int4Vsq().apply(subject, config, lend(tmp_path))
    subject.trail = (TrailStep("int4_vsq", "test", config.model_dump(), result.state, result.facts),)
    return result


@pytest.mark.parametrize("bits", [2, 4, 5, 6, 8])
@pytest.mark.parametrize("n", [1, 3, 8, 21])
def test_packing_is_exact_and_dense(bits, n):
    values = torch.randint(0, 2**bits, (5, n), dtype=torch.uint8)
    packed = vsq.pack_bits(values, bits)
    assert packed.shape == (5, -(-n * bits // 8))
    assert torch.equal(vsq.unpack_bits(packed, bits, n), values)
    codes = torch.randint(-7, 8, (5, n), dtype=torch.int8)
    assert pack_nibbles(codes).shape == (5, -(-n // 2))
    assert torch.equal(unpack_nibbles(pack_nibbles(codes), n), codes)


@pytest.mark.parametrize(("vector", "columns"), [(16, 768), (32, 768), (16, 133)])
def test_at_most_half_the_error_of_one_scale_per_channel(vector, columns):
    torch.manual_seed(0)
    weight = torch.randn(96, columns) * torch.rand(96, 1)
    quantized = vsq.quantize(weight, vector, 6)
    assert quantized.codes.abs().max() <= 7
    assert quantized.vector_scale.min() >= 1
    assert quantized.vector_scale.max() < 64
    inputs = torch.randn(200, columns)
    ours = (inputs @ (quantized.float(vector) - weight).T).square().mean()
    plain = (inputs @ (vsq.per_channel(weight) - weight).T).square().mean()
    assert ours < 0.5 * plain


def test_the_search_beats_scales_taken_from_the_largest_weight():
    torch.manual_seed(1)
    weight = torch.randn(64, 256)
    found = (vsq.quantize(weight, 16, 6).float(16) - weight).square().mean()
    step = weight.view(64, 16, 16).abs().amax(-1, keepdim=True) / 7
    float_scales = ((weight.view(64, 16, 16) / step).round() * step).view(64, 256)
    assert found < 0.95 * (float_scales - weight).square().mean()


def test_errors_go_where_inputs_are_small():
    torch.manual_seed(2)
    weight, share = torch.randn(32, 64), torch.ones(64)
    share[::2] = 100.0
    even = (vsq.quantize(weight, 16, 6, share).float(16) - weight)[:, ::2].square().mean()
    assert even < (vsq.quantize(weight, 16, 6).float(16) - weight)[:, ::2].square().mean()


def test_zero_rows_and_single_columns():
    assert vsq.quantize(torch.zeros(3, 20), 16, 6).float(16).eq(0).all()
    assert vsq.quantize(torch.ones(3, 1), 16, 6).float(16).sub(1).abs().max() < 0.02


def test_linear_and_embedding_compute_what_they_store():
    torch.manual_seed(0)
    linear, x = nn.Linear(40, 12), torch.randn(2, 5, 40)
    quantized = vsq.quantize(linear.weight, 16, 6)
    for keep in (False, True):
        made = VsqLinear(40, 12, True, 16, 6, keep=keep)
        made.fill(quantized)
        made.bias = linear.bias.detach()
        expected = nn.functional.linear(x, quantized.float(16), linear.bias)
        assert torch.equal(made(x), expected)
        elsewhere = copy.deepcopy(made)
        assert torch.equal(elsewhere(x), expected)
        assert elsewhere.to("meta")._kept is None, "what was kept would stay on the device where it was made"
    table = VsqEmbedding(12, 40, 0, 16, 6, None)
    table.fill(quantized)
    ids = torch.tensor([[0, 3], [11, 3]])
    assert torch.equal(table(ids), quantized.float(16)[ids])


def test_fake_activations():
    torch.manual_seed(0)
    x = torch.randn(3, 7, 20)
    near = fake_quantize(x, 16, 8)
    assert 0 < (near - x).abs().max() < x.abs().max() / 100
    assert torch.allclose(fake_quantize(near, 16, 8), near, atol=1e-6)


def test_stored_bits_and_half_the_error_on_a_model(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    split = tiny_split()
    dense = logits_of(subject.module, split)
    plain = copy.deepcopy(subject.module)
    result = run(subject, tmp_path, vector=4, skip=[])  # 24 to 32 inputs: 16 would be half a row
    assert result.facts["output_mse_ratio_mean"] < 0.5
    assert result.facts["output_noise_percent"] < 0.5 * result.facts["output_noise_per_channel_percent"]
    table = result.tables["error of layer outputs"]
    assert len(table) == result.facts["linear_layers"]
    assert all(row["mse_per_vector"] < row["mse_per_channel"] for row in table)
    ratios = [row["mse_per_vector"] / row["mse_per_channel"] for row in table]
    assert sum(ratios) / len(ratios) == pytest.approx(result.facts["output_mse_ratio_mean"])
    stored = sum(stored_bits(m) for m in subject.module.modules() if isinstance(m, VsqLinear))
    weights = sum(m.rows * m.columns for m in subject.module.modules() if isinstance(m, VsqLinear))
    assert result.facts["effective_bits_per_linear_weight"] == stored / weights
    assert result.facts["effective_bits_per_weight"] <= 4 + 6 / 4 + 32 / 24 + 0.5
    assert result.facts["weights_after_bytes"] < result.facts["weights_before_bytes"] / 2.5
    with torch.no_grad():
        for module in plain.modules():
            if isinstance(module, Conv1D):
                module.weight.copy_(vsq.per_channel(module.weight.T).T)
            elif isinstance(module, nn.Linear | nn.Embedding):
                module.weight.copy_(vsq.per_channel(module.weight))
    ours, theirs = ((logits_of(model, split) - dense).square().mean() for model in (subject.module, plain))
    assert ours < 0.7 * theirs
    assert not [m for m in subject.module.modules() if isinstance(m, nn.Linear | nn.Embedding | Conv1D)]


def test_at_real_widths_four_and_a_half_bits_hold_weights_and_scales():
    for columns in (384, 768, 3072):
        made = VsqLinear(columns, 64, True, Int4Vsq.Config().vector, Int4Vsq.Config().scale_bits)
        assert stored_bits(made) / (64 * columns) <= 4.5


def test_skip_and_simulated_activations(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    result = run(subject, tmp_path, skip=["head", "ffn_out"], embeddings=False, activation_bits=8)
    assert result.facts["linear_layers"] == 3 * (3 if unlike_family.fused_qkv else 5)
    assert all(isinstance(layer.ffn_out, nn.Linear | Conv1D) for layer in subject.layers)
    assert "simulated" in result.note
    split = tiny_split()
    again = reload(subject, tiny_tokenizer())
    torch.testing.assert_close(logits_of(again.module, split), logits_of(subject.module, split))


def test_after_pruning(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    n = subject.structure
    subject.carve(n.without_heads(0, [1]).without_neurons(1, [0, 1, 2]).without_heads(2, range(4)).without_layer(1))
    run(subject, tmp_path)
    split = tiny_split()
    again = reload(subject, tiny_tokenizer())
    torch.testing.assert_close(logits_of(again.module, split), logits_of(subject.module, split))

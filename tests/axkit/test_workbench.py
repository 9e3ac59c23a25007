"""What the workbench does not compute again, and the kernels it computes the rest with."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from axkit.axformer.bench.feeds import Feed
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.bench.workbench import workbench
from axkit.axformer.kernels.bound import Kernels
from axkit.ground.cpu import onednn_takes_bfloat16
from axkit.testing import tiny_split, tiny_subject

LAYER = 1


def bench_of(family, gib=1.0):
    split = tiny_split(12, family=family)
    bench = workbench(tiny_subject(family, 1), split, Shelf(gib * 2**30))
    batches = list(split.batches(5))
    for batch in batches:
        bench.refresh(batch, 0)
    return bench, batches


def fed(bench):
    return any(isinstance(module, Feed) for module in bench.subject.module.modules())


@pytest.mark.parametrize("gib", [1.0, 0.0])
def test_a_candidate_without_feed_forward_is_fed_what_its_attention_added(family, gib):
    bench, batches = bench_of(family, gib)
    layer = min(LAYER, bench.subject.structure.last)  # ALBERT's one layer is all of them
    candidate = bench.subject.structure.without_ffn(layer)
    with bench.swapped(layer, bench.carved(layer, candidate)):
        whole = [bench.logits(batch, layer) for batch in batches]
    with bench.trying(layer, candidate) as run:
        assert fed(bench) == (gib > 0 and not family.shared_layers)
        for batch, expected in zip(batches, whole, strict=True):
            torch.testing.assert_close(run(batch), expected, atol=1e-5, rtol=1e-4)
    assert not fed(bench)


def test_attention_that_changed_is_computed_until_the_model_has_run_again(plain_family):
    bench, batches = bench_of(plain_family)
    bench.accept(LAYER, bench.subject.structure.without_heads(LAYER, [1]))
    candidate = bench.subject.structure.without_ffn(LAYER)
    with bench.swapped(LAYER, bench.carved(LAYER, candidate)):
        whole = bench.logits(batches[0], LAYER)
    for known in (False, True):
        with bench.trying(LAYER, candidate) as run:
            assert fed(bench) == known
            torch.testing.assert_close(run(batches[0]), whole, atol=1e-5, rtol=1e-4)
        for batch in batches:
            bench.refresh(batch, LAYER)


def test_attention_of_a_candidate_that_lost_heads_is_computed(plain_family):
    bench, _ = bench_of(plain_family)
    with bench.trying(LAYER, bench.subject.structure.without_heads(LAYER, [1])):
        assert not fed(bench)


def test_above_the_first_layer_nothing_is_embedded(family):
    bench, batches = bench_of(family)
    asked = []
    for module in bench.subject.module.base_model.modules():
        if isinstance(module, nn.Embedding | nn.Conv2d):
            module.register_forward_hook(lambda *_: asked.append(1))
    layer = min(LAYER, bench.subject.structure.last)
    first = bench.logits(batches[0], 0)
    assert asked
    asked.clear()
    torch.testing.assert_close(bench.logits(batches[0], layer), first, atol=1e-5, rtol=1e-4)
    if layer and family.model_type in ("bert", "distilbert", "roberta", "modernbert", "vit"):
        assert not asked  # others do something with the embeddings before the first layer, or embed elsewhere
    asked.clear()
    torch.testing.assert_close(bench.logits(batches[0], 0), first, atol=0, rtol=0)
    assert asked


def bound(module):
    kernels = Kernels()
    kernels.bind(module)
    return kernels, module


@pytest.mark.parametrize("takes", [True, False])
def test_a_product_in_bfloat16_is_packed_where_onednn_takes_it(takes, monkeypatch):
    """It refuses to on processors with AVX2 alone, or kept to that."""
    monkeypatch.setattr("axkit.kit.onednn.onednn_takes_bfloat16", lambda: takes)
    (kernels, linear), rows = bound(nn.Linear(6, 4)), torch.randn(3, 6)
    if not takes:
        monkeypatch.setattr("torch.ops.mkldnn._reorder_linear_weight", lambda *_: pytest.fail("packed"), raising=False)
    elif not onednn_takes_bfloat16():
        pytest.skip("this one does not")
    with torch.no_grad(), kernels, torch.autocast("cpu", torch.bfloat16):
        product = linear(rows)
    assert product.dtype == torch.bfloat16
    torch.testing.assert_close(product.float(), linear(rows), atol=0.05, rtol=0.05)


def test_packed_weights_are_forgotten_with_their_tensor_and_follow_the_bias():
    (kernels, linear), rows = bound(nn.Linear(6, 4)), torch.randn(3, 6)
    with torch.no_grad(), kernels:
        linear(rows)
        with torch.autocast("cpu", torch.bfloat16):
            before = linear(rows)
            linear.bias.add_(1.0)
        with torch.autocast("cpu", torch.bfloat16):  # torch itself keeps what it has cast to the end of a block
            assert (linear(rows) - before).mean() > 0.9
        wide = nn.Linear(6, 4).double()
        kernels.bind(wide)
        assert wide(rows.double()).dtype == torch.float64
        scaled = nn.utils.parametrizations.weight_norm(nn.Linear(6, 4))
        kernels.bind(scaled)
        torch.testing.assert_close(scaled(rows), nn.functional.linear(rows, scaled.weight, scaled.bias))
    assert any(kernels.linears._packed.values())
    del linear
    gc.collect()
    assert not any(kernels.linears._packed.values())


def test_packed_weights_give_the_same_sums_and_follow_changes():
    (kernels, linear), rows = bound(nn.Linear(6, 4)), torch.randn(3, 5, 6)
    with torch.inference_mode(), kernels:
        torch.testing.assert_close(linear(rows), nn.functional.linear(rows, linear.weight, linear.bias))
        with torch.autocast("cpu", torch.bfloat16):
            assert linear(rows).dtype == torch.bfloat16
    with torch.no_grad():
        linear.weight.add_(1.0)
        with kernels:
            torch.testing.assert_close(linear(rows), nn.functional.linear(rows, linear.weight, linear.bias))
        empty = nn.Linear(6, 4)
        empty.weight, empty.bias = nn.Parameter(torch.zeros(0, 6)), nn.Parameter(torch.zeros(0))
        kernels.bind(empty)
        with kernels:
            assert empty(input=rows).shape == (3, 5, 0)
    with kernels:
        assert linear(rows).requires_grad
    with pytest.raises(RuntimeError, match="of the model"), kernels:
        raise RuntimeError("of the model")
    assert not kernels.active

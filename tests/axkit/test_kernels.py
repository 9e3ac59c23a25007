"""Attention as plain arithmetic, where it stands in for the fused kernel; and that kernels stay with their own copy."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from axkit.anatomy.family import family_of
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.bench.workbench import workbench
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.kernels.bound import BoundLinear, Kernels
from axkit.axformer.kernels.plain_attention import plain_attention
from axkit.axformer.prune import AxformerPrune
from axkit.testing import tiny_split, tiny_subject, tiny_tools

fused, stock_forward = nn.functional.scaled_dot_product_attention, nn.Linear.forward


def bound_core(k=None):
    """An attention core of a tiny model, its kernels, and the attention that it asks transformers for."""
    subject, kernels = tiny_subject(family_of("bert"), 1), Kernels()
    if k is not None:
        subject.carve(subject.structure.change(0, hard_k=k))
    layer = subject.layers[0]
    kernels.bind_layer(layer)
    core = layer.attention_core
    return core, kernels, ALL_ATTENTION_FUNCTIONS[core.config._attn_implementation]


def states(tokens, queries=None, dtype=torch.bfloat16):
    generator = torch.Generator().manual_seed(tokens)
    query, key, value = (torch.randn(3, n, 2, 8, generator=generator) for n in (queries or tokens, tokens, tokens))
    return [one.to(dtype).transpose(1, 2) for one in (query, key, value)]


def masks(tokens):
    kept = torch.ones(3, 1, 1, tokens, dtype=torch.bool)
    kept[0, ..., tokens // 2 :] = False
    added = torch.randn(3, 2, tokens, tokens).masked_fill(~kept, torch.finfo(torch.float32).min)
    return {"none": None, "bool": kept, "square": kept.expand(3, 1, tokens, tokens), "added": added}


@pytest.mark.parametrize("scale", [None, 0.5])
@pytest.mark.parametrize("tokens", [2, 7, 64])
@pytest.mark.parametrize("mask", ["none", "bool", "square", "added"])
def test_plain_attention_is_the_fused_one(tokens, mask, scale):
    query, key, value = states(tokens)
    mask = masks(tokens)[mask]
    exact = fused(query.float(), key.float(), value.float(), mask, scale=scale)
    found = plain_attention(query, key, value, mask, scale=scale)
    assert (found.dtype, found.shape) == (torch.bfloat16, exact.shape)
    torch.testing.assert_close(found.float(), exact, atol=0.03, rtol=0.03)


def test_one_query_may_ask_many_tokens():
    query, key, value = states(9, queries=1)
    torch.testing.assert_close(plain_attention(query, key, value), fused(query, key, value), atol=0.03, rtol=0.03)


@pytest.mark.parametrize("sign", [1, -1])
def test_scores_too_large_or_too_small_for_plain_arithmetic_are_left_to_the_fused_kernel(sign):
    query, key, value = states(6)
    query, key = torch.full_like(query, 40.0), torch.full_like(key, 40.0 * sign)
    assert plain_attention(query, key, value) is None
    core, kernels, attend = bound_core()
    with torch.no_grad(), kernels:
        torch.testing.assert_close(attend(core, query, key, value, None)[0].transpose(1, 2), fused(query, key, value))


def test_a_query_that_may_see_nothing_is_left_to_the_fused_kernel():
    query, key, value = states(4)
    assert plain_attention(query, key, value, torch.zeros(3, 1, 4, 4, dtype=torch.bool)) is None


@pytest.mark.parametrize("how", [{"dropout_p": 0.5}, {"is_causal": True}, {"enable_gqa": True}])
def test_what_plain_arithmetic_has_no_answer_to_is_left_to_the_fused_kernel(how):
    assert plain_attention(*states(4), **how) is None
    assert plain_attention(*states(4, dtype=torch.float32)) is None
    assert plain_attention(*states(300)) is None
    assert plain_attention(*(one[0] for one in states(4))) is None


@pytest.mark.parametrize("k", [None, 9])
def test_a_core_attends_plainly_while_its_kernels_are_entered_and_no_longer(k):
    """Hard attention too, where its K cannot bind."""
    query, key, value = states(5)
    core, kernels, attend = bound_core(k)
    with torch.no_grad():
        with kernels:
            inside = attend(core, query, key, value, None)[0].transpose(1, 2)
            single = states(5, dtype=torch.float32)
            assert torch.equal(attend(core, *single, None)[0].transpose(1, 2), fused(*single))
        outside = attend(core, query, key, value, None)[0].transpose(1, 2)
    assert torch.equal(inside, plain_attention(query, key, value))
    assert torch.equal(outside, fused(query, key, value))
    assert not torch.equal(inside, outside), "premise: the two differ in some bits"
    query.requires_grad_()
    with kernels:
        assert attend(core, query, key, value, None)[0].requires_grad


def test_a_k_that_binds_is_not_attended_plainly():
    core, kernels, attend = bound_core(2)
    query, key, value = states(5)
    with torch.no_grad(), kernels:
        context, kept = attend(core, query, key, value, None)
    assert ((kept > 0).sum(-1) == 2).all()
    assert not torch.allclose(context.transpose(1, 2), plain_attention(query, key, value), atol=0.05)


def test_what_a_copy_is_bound_to_no_other_model_meets(family):
    subject = tiny_subject(family, 1)
    before = [type(module) for module in subject.module.modules()]
    names = [getattr(layer.attention_core, "config", None) for layer in subject.layers]
    bench = workbench(subject, tiny_split(8, family=family), Shelf(1e9))
    assert [type(module) for module in subject.module.modules()] == before
    assert [getattr(layer.attention_core, "config", None) for layer in subject.layers] == names
    candidate = bench.subject.structure.without_neurons(0, [0])
    probe = bench.carved(0, candidate)
    for module in (bench.subject.module, probe):  # what carving has put there is bound as well
        plain = [one for one in module.modules() if type(one) is nn.Linear]
        folded = [one for layer in bench.subject.layers for one in layer.attention_core.modules()]
        assert all(any(one is other for other in folded) for one in plain)
    assert family.fused_qkv or any(isinstance(module, BoundLinear) for module in probe.modules())


def test_while_a_search_runs_another_thread_has_the_stock_functions(tmp_path, monkeypatch):
    """Asked in the middle of a forward pass of the search, in another thread, with the results that stock ones give."""
    linear, rows = nn.Linear(6, 4), torch.randn(3, 6)
    query, key, value = states(5)
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    with torch.no_grad():
        expected = [nn.functional.linear(rows, linear.weight, linear.bias), fused(query, key, value)]
    seen = []

    def other():
        with torch.no_grad():
            results = [linear(rows), nn.functional.scaled_dot_product_attention(query, key, value)]
        seen.append(
            nn.Linear.forward is stock_forward
            and nn.functional.scaled_dot_product_attention is fused
            and not torch.is_autocast_enabled("cpu")
            and all(torch.equal(one, its) for one, its in zip(results, expected, strict=True))
        )

    real = BoundLinear.forward

    def forward(self, input):
        if self.kernels.active and len(seen) < 20:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        return real(self, input)

    monkeypatch.setattr(BoundLinear, "forward", forward)
    tools = tiny_tools(tmp_path, rows=300, family=family_of("bert"))
    AxformerPrune().apply(tiny_subject(family_of("bert"), 1), AxformerPrune.Config(vote=0.2), tools)
    assert len(seen) == 20
    assert all(seen)


def test_two_searches_in_two_threads_decide_as_each_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    jobs = [(HardAttention(), HardAttention.Config(k=4), 2), (AxformerPrune(), AxformerPrune.Config(vote=0.2), 1)]
    lent = [
        [
            (tiny_subject(family_of("bert"), seed), tiny_tools(tmp_path / f"{turn}-{seed}", rows=300))
            for *_, seed in jobs
        ]
        for turn in range(2)  # made here: random weights are drawn from one state for all threads
    ]

    def searched(job, given):
        (runner, config, _), (subject, tools) = job, given
        runner.apply(subject, config, tools)
        return [{name: value for name, value in line.items() if name != "seconds"} for line in tools.journal.read()]

    alone = list(map(searched, jobs, lent[0]))
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(searched, jobs, lent[1]))
    assert together == alone
    assert any(line["screened"] for lines in alone for line in lines), "premise: both precisions were in use"


@pytest.mark.parametrize("chosen", [None, "77"])
def test_the_command_lets_onednn_keep_its_primitives_unless_somebody_chose_a_number(chosen):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    code = f"""if True:
        import os, sys
        from axkit.cli import app as cli
        sys.argv = ["axkit", "--version"]
        try:
            cli.main()
        finally:
            print("torch" in sys.modules, os.environ["{name}"])  # torch reads it when it is imported
    """
    env = {key: value for key, value in os.environ.items() if key != name} | ({name: chosen} if chosen else {})
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == f"False {chosen or 16384}"

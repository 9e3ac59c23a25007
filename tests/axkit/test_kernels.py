"""Attention as plain arithmetic, where it stands in for the fused kernel and where it does not."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from axkit.axformer.kernels.bound import Kernels
from axkit.axformer.kernels.plain_attention import plain_attention

fused = nn.functional.scaled_dot_product_attention


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
    with torch.no_grad(), Kernels():
        torch.testing.assert_close(
            nn.functional.scaled_dot_product_attention(query, key, value), fused(query, key, value)
        )


def test_a_query_that_may_see_nothing_is_left_to_the_fused_kernel():
    query, key, value = states(4)
    assert plain_attention(query, key, value, torch.zeros(3, 1, 4, 4, dtype=torch.bool)) is None


@pytest.mark.parametrize("how", [{"dropout_p": 0.5}, {"is_causal": True}, {"enable_gqa": True}])
def test_what_plain_arithmetic_has_no_answer_to_is_left_to_the_fused_kernel(how):
    assert plain_attention(*states(4), **how) is None
    assert plain_attention(*states(4, dtype=torch.float32)) is None
    assert plain_attention(*states(300)) is None
    assert plain_attention(*(one[0] for one in states(4))) is None


def test_kernels_stand_in_while_they_are_entered_and_no_longer():
    query, key, value = states(5)
    with Kernels():
        with torch.no_grad():
            inside = nn.functional.scaled_dot_product_attention(query, key, value)
            single = states(5, dtype=torch.float32)
            assert torch.equal(nn.functional.scaled_dot_product_attention(*single), fused(*single))
        query.requires_grad_()
        assert nn.functional.scaled_dot_product_attention(query, key, value).requires_grad
    assert torch.equal(inside, plain_attention(query.detach(), key, value))
    assert nn.functional.scaled_dot_product_attention is fused


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

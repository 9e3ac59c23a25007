from __future__ import annotations

import copy
import pickle

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from axkit.testing import logits_of, tiny_split, tiny_subject
from axkit_plugins.quantize.int8 import _read_directly
from axkit_plugins.quantize.int8_modules import Int8Embedding, Int8Linear, quantize, to_int8, weight_bytes


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


def test_every_linear_and_embedding_is_replaced(family):
    subject = tiny_subject(family)
    before = weight_bytes(subject.module)
    split = tiny_split(family=family)
    dense = logits_of(subject.module, split)
    spare = _read_directly(subject)
    quantize(subject.module, embeddings=True, spare=spare)
    floats = (nn.Linear, nn.Embedding, Conv1D)
    assert [name for name, m in subject.module.named_modules() if isinstance(m, floats)] == list(spare)
    assert weight_bytes(subject.module) < before / 2
    assert (logits_of(subject.module, split) - dense).abs().max() < 0.25 * dense.abs().max()

"""Small parts of the kit that our passes and others' build on."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from axkit.anatomy.family import family_of
from axkit.contract.trail import TrailStep
from axkit.ground.errors import CheckpointError
from axkit.kit import (
    embedding_names,
    learned_ranges,
    linear_at,
    linear_names,
    linear_roles,
    mean_squares,
    names_in,
    replace_module,
    run_rows,
    state_of_ranges,
    stored_bits,
    watched_inputs,
    weight_bytes,
    weight_matrix,
)
from axkit.testing import tiny_split, tiny_subject


class Coded(nn.Module):
    """A layer as bitsandbytes makes them: more in its state than tensors."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.zeros(6, 4, dtype=torch.uint8))
        self.register_buffer("scale", torch.ones(6))
        self.bias = nn.Parameter(torch.zeros(6))

    def get_extra_state(self):
        return "a text"

    def set_extra_state(self, state):
        pass


def test_bytes_are_those_of_tensors_and_bits_leave_the_bias_out():
    model = nn.Sequential(nn.Linear(4, 6), Coded())
    assert weight_bytes(model) == 4 * (24 + 6) + (24 + 4 * 6) + 4 * 6
    assert stored_bits(model[1]) == 8 * (24 + 4 * 6)
    model.register_buffer("made anew", torch.zeros(99), persistent=False)
    assert weight_bytes(model.half()) == 2 * (24 + 6) + (24 + 2 * 6) + 2 * 6


def test_roles_skip_names_and_matrices(unlike_family):
    subject = tiny_subject(unlike_family)
    roles = linear_roles(subject)
    assert {"ffn_in", "ffn_out", "attention_out", "head"} <= set(roles.values())
    assert linear_names(subject) == list(roles)
    assert linear_names(subject, ["head"]) == [name for name, role in roles.items() if role != "head"]
    assert not {roles[name] for name in linear_names(subject, ["query"])} & {"query", "qkv"}
    assert embedding_names(subject)
    for name in roles:
        linear = linear_at(subject.module, name)
        outputs, inputs = weight_matrix(linear).shape
        assert linear(torch.zeros(1, inputs)).shape == (1, outputs)
    if unlike_family.model_type == "gpt2":
        assert any(type(subject.module.get_submodule(name)) is Conv1D for name in roles)


def test_a_module_in_anothers_place_takes_over_its_mode():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))).eval()
    replace_module(model, "1.0", nn.Dropout())
    assert isinstance(model[1][0], nn.Dropout)
    assert not model[1][0].training


def test_inputs_are_seen_on_the_rows_asked_for_and_hooks_go():
    subject, split = tiny_subject(family_of("bert")), tiny_split(20)
    name = linear_names(subject)[0]
    seen = []
    with watched_inputs(subject.module, [name], lambda name, linear, inputs: seen.append((name, inputs))):
        assert list(run_rows(subject.module, split, 10, 4)) == [4, 8, 10]
    assert [one[0] for one in seen] == [name] * 3
    assert all(inputs.dim() == 2 and not inputs.requires_grad for _, inputs in seen)
    assert list(run_rows(subject.module, split, 99, 20)) == [20]
    assert len(seen) == 3
    squares = mean_squares(subject.module, [name], split, 10, 4)[name]
    assert torch.allclose(squares, torch.cat([inputs for _, inputs in seen]).square().mean(0))
    assert mean_squares(subject.module, [name], split, 0) == {}


def test_learned_ranges_are_those_of_the_last_pass_that_has_some():
    """The key and the form are those of folders that were saved before there was a kit."""
    subject = tiny_subject(family_of("bert"))
    assert learned_ranges(subject) is None
    first, last = {"activation_ranges": {"a": [-1.0, 1.0]}}, {"activation_ranges": {"a": [-2.0, 3.0]}}
    states = first, last, None, {"linear": []}
    subject.trail = tuple(TrailStep("some", "somebody 1", {}, state) for state in states)
    assert learned_ranges(subject) == {"a": (-2.0, 3.0)}
    assert state_of_ranges({"a": (-2.0, 3.0)}) == last


def test_names_of_a_state():
    assert names_in({"linear": ["a", "b"]}, "linear") == ["a", "b"]
    assert names_in({}, "static", optional=True) == []
    with pytest.raises(CheckpointError, match="'linear' lists no names"):
        names_in({}, "linear")
    for damaged in ("a", {"a": 1}, [1], None):
        with pytest.raises(CheckpointError, match="'linear' lists no names; copy the whole folder again"):
            names_in({"linear": damaged}, "linear")

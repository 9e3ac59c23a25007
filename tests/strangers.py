"""Passes of somebody else, with modules of their own; some that are wrong."""

from __future__ import annotations

import torch
from torch import nn

from axkit.contract.passes import Pass, PassConfig
from axkit.contract.result import Result
from axkit.contract.traits import FLOAT_WEIGHTS


class Gained(nn.Linear):
    """A linear layer with a factor for each output; it can be carved, and is a plain one then."""

    def __init__(self, linear):
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, linear.weight.device)
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer("gain", torch.full((linear.out_features,), 1.5, device=linear.weight.device))

    def forward(self, x):
        return super().forward(x) * self.gain


class Sealed(nn.Module):
    """A linear layer as nobody can carve it."""

    def __init__(self, linear):
        super().__init__()
        self.inner = nn.Sequential(linear)

    def forward(self, x):
        return self.inner(x)


class Gain(Pass[PassConfig]):
    """A stranger's: weights stay float, linear layers get a buffer, and so does the model."""

    Config = PassConfig
    module = Gained

    def apply(self, subject, config, tools):
        names = [name for name, module in subject.module.named_modules() if isinstance(module, nn.Linear)]
        state = {"names": [name for name in names if "classifier" not in name], "outputs": 24}
        self.restore(subject, config, state)
        return Result(state=state)

    def restore(self, subject, config, state):
        subject.module.register_buffer("temperature", torch.ones(1))
        for name in state["names"]:
            parent, _, last = name.rpartition(".")
            linear = subject.module.get_submodule(name)
            setattr(subject.module.get_submodule(parent), last, type(self).module(linear))


class Seal(Gain):
    module = Sealed


class EndsIt(Seal):
    ends = frozenset({FLOAT_WEIGHTS})


class OnlyDense(Gain):
    """Its restore takes every feed-forward block to be as wide as the dense model's."""

    ends = frozenset({FLOAT_WEIGHTS})

    def apply(self, subject, config, tools):
        self.restore(subject, config, {"wide": len(subject.structure.layers[1].neurons)})
        return Result(state={}, note="offsets of nothing")

    def restore(self, subject, config, state):
        wide = subject.family.size(subject.module.config, "ffn_width")
        for layer in subject.layers:
            if subject.structure.layers[layer.index].ffn:
                layer.ffn_in.register_buffer("offset", torch.zeros(state.get("wide", wide)))


class CutsFirst(Gain):
    """Carves by itself, and then puts its modules in: the state names what is left."""

    def apply(self, subject, config, tools):
        structure = subject.structure
        for index, layer in enumerate(structure.layers):
            if layer.attention and layer.heads:
                structure = structure.without_heads(index, layer.heads[:1])
        subject.carve(structure)
        return super().apply(subject, config, tools)


class CutsAfter(Gain):
    """The other way round: what it carved is a plain linear layer again, and its state does not say so."""

    def apply(self, subject, config, tools):
        result = super().apply(subject, config, tools)
        layers = subject.structure.layers
        index = next(i for i, layer in enumerate(layers) if layer.ffn and layer.neurons)
        subject.carve(subject.structure.without_neurons(index, layers[index].neurons[:4]))
        return result


class OnceOnly(Gain):
    """Its modules can be put in twice, its restore cannot."""

    def apply(self, subject, config, tools):
        result = super().apply(subject, config, tools)
        return Result(state={**result.state, "once": True})

    def restore(self, subject, config, state):
        if "once" in state and any(isinstance(module, Gained) for module in subject.module.modules()):
            raise ValueError("they are there already")
        super().restore(subject, config, state)

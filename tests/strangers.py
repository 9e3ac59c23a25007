"""Passes of somebody else, with modules of their own; some that are wrong."""

from __future__ import annotations

from axkit.contract.passes import Pass, PassConfig
from axkit.contract.result import Result
from axkit.contract.traits import FLOAT_WEIGHTS, TORCH_MODULE


class Gain(Pass[PassConfig]):
    """A stranger's: weights stay float, linear layers get a buffer, and so does the model."""

    Config = PassConfig
    module = "Gained"

    def apply(self, subject, config, tools):
        from torch import nn

        names = [name for name, module in subject.module.named_modules() if isinstance(module, nn.Linear)]
        state = {"names": [name for name in names if "classifier" not in name], "outputs": 24}
        self.restore(subject, config, state)
        return Result(state=state)

    def restore(self, subject, config, state):
        import strangers_modules
        import torch

        subject.module.register_buffer("temperature", torch.ones(1))
        made = getattr(strangers_modules, self.module)
        for name in state["names"]:
            parent, _, last = name.rpartition(".")
            linear = subject.module.get_submodule(name)
            setattr(subject.module.get_submodule(parent), last, made(linear))


class Seal(Gain):
    module = "Sealed"


class EndsIt(Seal):
    ends = frozenset({FLOAT_WEIGHTS})


class OnlyDense(Gain):
    """Its restore takes every feed-forward block to be as wide as the dense model's."""

    def apply(self, subject, config, tools):
        self.restore(subject, config, {"wide": len(subject.structure.layers[1].neurons)})
        return Result(state={}, note="offsets of nothing")

    def restore(self, subject, config, state):
        import torch

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
        from strangers_modules import Gained

        if "once" in state and any(isinstance(module, Gained) for module in subject.module.modules()):
            raise ValueError("they are there already")
        super().restore(subject, config, state)


class Looks(Pass[PassConfig]):
    """Changes nothing, of whatever kind the weights are."""

    requires = frozenset({TORCH_MODULE})

    def apply(self, subject, config, tools):
        return Result(note="looked")

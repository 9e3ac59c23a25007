"""Enter a model at one of its layers: what is below is not computed, its result is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from axkit.anatomy.family import Family
from axkit.anatomy.modules import PassOn


class Entry:
    """The ways into a model above its first layer.

    Args:
        base: the base model of a transformers model.
        family: its architecture.
    """

    def __init__(self, base: Any, family: Family) -> None:
        self._base, self._family = base, family
        self._layers: Any = base.get_submodule(family.layers)
        self._passed = WeakKeyDictionary[nn.Module, PassOn]()  # what stands for a layer that is not computed
        self._entrance: Any = None  # what gives the first layer its input, where that is a child of the base model

    def find(self) -> Iterator[Any]:
        """Hooks that see which module around the layers gives the first one its input; the caller removes them."""
        given: dict[nn.Module, Any] = {}

        def note(child: nn.Module, _: Any, output: Any) -> None:
            given[child] = output

        def look(_: nn.Module, args: tuple[Any, ...]) -> None:
            found = [child for child, output in given.items() if output is args[0]]
            self._entrance = next((child for child in found if "forward" not in child.__dict__), None)

        yield from (child.register_forward_hook(note) for child in self._base.children())
        yield self._layers[0].register_forward_pre_hook(look, prepend=True)

    @contextmanager
    def at(self, start: int, value: Tensor) -> Iterator[None]:
        """The model begins at layer ``start``, for a while.

        Args:
            start: index, above 0.
            value: the layer's input, (rows, tokens, hidden).
        """
        before, entrance = [self._layers[i] for i in range(start)], self._entrance
        for index, module in enumerate(before):
            self._layers[index] = self._stand_in(module)
        if entrance is not None:  # its attributes are left to whoever reads them
            entrance.forward = lambda *_, **__: value
        # given to the layer itself: what a family computes between two layers is in the cached input already
        handle = self._layers[start].register_forward_pre_hook(lambda _, args: (value, *args[1:]), prepend=True)
        try:
            yield
        finally:
            handle.remove()
            if entrance is not None:
                del entrance.forward
            for index, module in enumerate(before):
                self._layers[index] = module

    def _stand_in(self, layer: nn.Module) -> PassOn:
        if layer not in self._passed:
            self._passed[layer] = PassOn(layer, self._family.layer_attributes, self._family.layer_returns_tuple)
        return self._passed[layer]

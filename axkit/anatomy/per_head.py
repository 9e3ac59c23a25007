"""Inputs of an attention core that have a row for each head, and that the model makes for all layers alike."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from axkit.anatomy.plain import Plain


def inputs_of(core: nn.Module) -> list[str]:
    """What an attention core's ``forward`` takes, in order; what stands in the place of one says what that took."""
    said: list[str] | None = getattr(core, "inputs", None)
    return list(inspect.signature(core.forward).parameters) if said is None else said


class KeepPerHead:
    """Forward pre-hook of an attention core that has lost heads: of some inputs it takes those of the heads left.

    The encoder makes such an input once, for the heads of the dense model: MPNet's position bias, say.

    Args:
        core: the attention core.
        names: of the inputs, as its ``forward`` calls them; each is None or (batch or 1, heads, ...).
        heads: that are left, by their index in the dense model.
    """

    def __init__(self, core: nn.Module, names: Sequence[str], heads: Sequence[int]) -> None:
        order = inputs_of(core)
        self._places = {name: order.index(name) for name in names}
        self.heads = list(heads)

    def __call__(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = list(args)
        for name, place in self._places.items():
            if place < len(given):
                given[place] = self._kept(given[place])
            elif name in kwargs:
                kwargs = {**kwargs, name: self._kept(kwargs[name])}
        return tuple(given), kwargs

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("KeepPerHead", {"places": self._places, "heads": self.heads})

    def _kept(self, value: Any) -> Any:
        return None if value is None else value[:, self.heads]


def keep_per_head(core: nn.Module, names: Sequence[str], heads: Sequence[int]) -> None:
    """Tell an attention core which heads it has left; nothing where it has no such inputs."""
    found = [hook for hook in core._forward_pre_hooks.values() if isinstance(hook, KeepPerHead)]
    for hook in found:
        hook.heads = list(heads)
    if names and not found:
        core.register_forward_pre_hook(KeepPerHead(core, names, heads), with_kwargs=True)

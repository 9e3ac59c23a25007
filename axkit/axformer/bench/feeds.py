"""Feeds: modules that give what was seen earlier instead of computing it again."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from axkit.anatomy.family import Family
from axkit.anatomy.modules import STAND_INS
from axkit.anatomy.surgery import Layer

BlockName = Literal["attention", "ffn"]


class Feed(nn.Module):
    """Gives what it was told, whatever comes in."""

    def __init__(self, pair: bool = False) -> None:
        super().__init__()
        self.value: Tensor | None = None
        self.pair = pair  # attention cores return (output, probabilities)

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Any:
        """The value, or (value, None)."""
        return (self.value, None) if self.pair else self.value


def put_feed(layer: Layer, family: Family, name: BlockName) -> Feed:
    """Replace a block by a feed of what it adds to the residual stream."""
    feed = Feed(pair=name == "attention")
    for path, kind in (family.removed.attention if name == "attention" else family.removed.ffn).items():
        layer.put(path, STAND_INS[kind]() if kind == "identity" else feed)
    return feed

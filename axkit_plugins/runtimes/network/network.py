"""A model as data: tables, layers, head, in the order in which they compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from axkit_plugins.runtimes.network.matrix import Array, Floats, Linear, Matrix

Index = Literal["ids", "positions", "types"]


@dataclass(frozen=True, eq=False)
class Norm:
    """LayerNorm over the last dimension.

    Attributes:
        weight: (hidden,).
        bias: (hidden,), or None.
        epsilon: added to the variance.
    """

    weight: Array
    bias: Array | None
    epsilon: float


@dataclass(frozen=True, eq=False)
class Attention:
    """An attention block that has heads left.

    Attributes:
        query: of this layer's input; its outputs are scaled by ``head size ** -0.5`` already.
        key: of it, likewise.
        value: of it, likewise.
        out: of the context.
        heads: that are left.
        hard_k: the K largest probabilities are kept (a float: that share of a row's tokens); None: all.
    """

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    heads: int
    hard_k: int | float | None


@dataclass(frozen=True, eq=False)
class FeedForward:
    """A feed-forward block that has neurons left.

    Attributes:
        inner: into the neurons.
        outer: out of them.
    """

    inner: Linear
    outer: Linear


@dataclass(frozen=True, eq=False)
class Constant:
    """What a block adds that has lost all heads, or all neurons, one by one: its bias.

    Attributes:
        values: (hidden,).
    """

    values: Array


@dataclass(frozen=True, eq=False)
class LayerParts:
    """One layer that is there.

    Attributes:
        attention: None where the block was removed.
        ffn: likewise.
        attention_norm: of the block, whether it is there or not.
        ffn_norm: likewise.
    """

    attention: Attention | Constant | None
    ffn: FeedForward | Constant | None
    attention_norm: Norm
    ffn_norm: Norm


@dataclass(frozen=True, eq=False)
class Table:
    """A table that is looked up; all tables' rows are added up.

    Attributes:
        rows: (entries, width).
        index: by what.
    """

    rows: Matrix
    index: Index


@dataclass(frozen=True, eq=False)
class Embeddings:
    """From ids to what enters the first layer.

    Attributes:
        tables: their rows are added.
        norm: of the sum.
        project: of what is normalised, to the hidden size; None where it has that.
        padding: the id that positions are counted from, by the tokens that are not it; None: from 0.
    """

    tables: tuple[Table, ...]
    norm: Norm
    project: Linear | None
    padding: int | None


@dataclass(frozen=True, eq=False)
class Head:
    """What comes after the layers.

    Attributes:
        steps: linear layers, each with the name of what its outputs go through ("" for nothing).
        first_only: it reads the first token alone.
        outputs: names; of two, one column of the last layer's outputs each.
    """

    steps: tuple[tuple[Linear, str], ...]
    first_only: bool
    outputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A whole model.

    Attributes:
        inputs: names of what it reads, (batch, tokens) int64 each.
        embeddings: before the layers.
        layers: those that are there, in order.
        activation: of the neurons, by transformers' name.
        head: after the layers.
        hidden: values per token.
    """

    inputs: tuple[str, ...]
    embeddings: Embeddings
    layers: tuple[LayerParts, ...]
    activation: str
    head: Head
    hidden: int

    @property
    def has_few_bits(self) -> bool:
        """Whether the words, or any linear layer, are stored in fewer than 32 bits."""
        return any(_few(one.rows) for one in self.embeddings.tables) or any(map(_few, self._weights()))

    def _weights(self) -> Iterator[Matrix]:
        for layer in self.layers:
            if isinstance(layer.attention, Attention):
                yield layer.attention.query.weight
            if isinstance(layer.ffn, FeedForward):
                yield layer.ffn.inner.weight


def _few(matrix: Matrix) -> bool:
    return not isinstance(matrix, Floats) or bool(matrix.half)

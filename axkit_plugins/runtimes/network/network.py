"""A model as data: tables, layers, head, in the order in which they compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from axkit_plugins.runtimes.network.matrix import Array, Floats, Linear, Matrix, Nibbles

HIDDEN = -1e30  # added to a score: its probability is exactly 0 in each precision, and sums stay finite

Index = Literal["ids", "positions", "types"]
Reads = Literal["first", "last", "mean", "each"]


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
class Rotary:
    """Queries and keys are turned by their position (Su et al. 2021, RoFormer, arXiv 2104.09864).

    Attributes:
        frequencies: (head size / 2,), radians per position.
        scaling: of cosines and sines.
    """

    frequencies: Array
    scaling: float


@dataclass(frozen=True, eq=False)
class Relative:
    """Scores have parts by content and relative position (He et al. 2021, DeBERTa, arXiv 2006.03654, section 3.1).

    Attributes:
        keys: of each relative position, for a query's content, (heads, positions, head size); None: there is no such
            part.
        queries: of each, for a key's content, scaled as queries are; likewise.
        index: row of the two by how far a key is behind its query, (2 * most + 1,) int64.
    """

    keys: Array | None
    queries: Array | None
    index: Array


@dataclass(frozen=True, eq=False)
class Attention:
    """An attention block that has heads left.

    Attributes:
        query: of this layer's input; its outputs are scaled already, by ``head size ** -0.5`` as a rule.
        key: of it, likewise.
        value: of it, likewise.
        out: of the context.
        heads: that are left, by their index in the dense model.
        hard_k: the K largest probabilities are kept (a float: that share of the keys that a query has); None: all.
        causal: a token sees itself and those before it.
        window: how many tokens it sees to each side; None: all.
        rotary: how queries and keys are turned; None: they are not.
        relative: what else is added to scores; None: nothing.
    """

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    heads: tuple[int, ...]
    hard_k: int | float | None
    causal: bool = False
    window: int | None = None
    rotary: Rotary | None = None
    relative: Relative | None = None

    @property
    def folds(self) -> bool:
        """Whether one query can do without keys and values: it sees all tokens, wherever they stand, as they are."""
        rounds = any(
            isinstance(w, Nibbles) and w.activation_bits is not None for w in (self.key.weight, self.value.weight)
        )
        plain = self.rotary is None and self.window is None and self.relative is None
        return plain and not self.causal and not rounds


@dataclass(frozen=True, eq=False)
class FeedForward:
    """A feed-forward block that has neurons left.

    Attributes:
        inner: into the neurons.
        outer: out of them.
        gated: ``inner`` has two outputs for each neuron, all values and then all gates.
    """

    inner: Linear
    outer: Linear
    gated: bool = False


@dataclass(frozen=True, eq=False)
class Convolution:
    """Over neighbouring tokens of what enters the first layer; added behind it, and normalised.

    Attributes:
        weight: (hidden, hidden / groups, kernel).
        bias: (hidden,).
        groups: of channels.
        activation: behind it.
        norm: of the sum.
    """

    weight: Array
    bias: Array
    groups: int
    activation: str
    norm: Norm


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
        attention_norm: behind the block, whether it is there or not; before it in a pre-norm network, where it goes
            with the block. None where the architecture has none.
        ffn_norm: likewise.
    """

    attention: Attention | Constant | None
    ffn: FeedForward | Constant | None
    attention_norm: Norm | None
    ffn_norm: Norm | None


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
        then: what their sum goes through, in order: a norm, a projection to the hidden size.
        padding: the id that positions are counted from, by the tokens that are not it; None: from 0.
    """

    tables: tuple[Table, ...]
    then: tuple[Norm | Linear, ...]
    padding: int | None


@dataclass(frozen=True, eq=False)
class Patches:
    """From an image to what enters the first layer: a class token, and a token for each patch.

    Attributes:
        weight: (hidden, channels, height, width) of a patch.
        bias: (hidden,).
        first: the class token, (hidden,).
        positions: added to each token, (tokens, hidden).
    """

    weight: Array
    bias: Array
    first: Array
    positions: Array


@dataclass(frozen=True, eq=False)
class Step:
    """One linear layer of a head.

    Attributes:
        linear: it.
        activation: that its outputs go through; "" for none.
        norm: behind that, or None.
    """

    linear: Linear
    activation: str
    norm: Norm | None


@dataclass(frozen=True, eq=False)
class Head:
    """What comes after the layers.

    Attributes:
        steps: in order.
        reads: the first token, the last that is no padding, the mean of all, or each by itself.
        padding: the id that the last token is not; None: it is the last of all.
        outputs: names; of two, one column of the last layer's outputs each.
    """

    steps: tuple[Step, ...]
    reads: Reads
    padding: int | None
    outputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A whole model.

    Attributes:
        inputs: names of what it reads, (batch, tokens) int64 each; of images one, (batch, channels, height, width).
        embeddings: before the layers.
        layers: those that are there, in order.
        activation: of the neurons; these and others are values of ``ACTIVATIONS``.
        head: after the layers.
        pre_norm: norms stand before their blocks, inside the residual branch.
        norm: behind the last layer; None where there is none.
        distances: added to scores by how far a key is behind its query, (2 * most + 1, heads of the dense model), the
            query itself in the middle; None: nothing is.
        convolution: beside the first layer; None: there is none.
    """

    inputs: tuple[str, ...]
    embeddings: Embeddings | Patches
    layers: tuple[LayerParts, ...]
    activation: str
    head: Head
    pre_norm: bool = False
    norm: Norm | None = None
    distances: Array | None = None
    convolution: Convolution | None = None

    def narrows(self, index: int) -> bool:
        """Whether behind this layer nothing but one token of each row is read, if the head reads one."""
        return index == len(self.layers) - 1 and (index > 0 or self.convolution is None)

    @property
    def has_few_bits(self) -> bool:
        """Whether the words, or any linear layer, are stored in fewer than 32 bits."""
        return any(map(_few, self._weights()))

    def _weights(self) -> Iterator[Matrix]:
        if isinstance(self.embeddings, Embeddings):
            yield from (one.rows for one in self.embeddings.tables)
        for layer in self.layers:
            if isinstance(layer.attention, Attention):
                yield layer.attention.query.weight
            if isinstance(layer.ffn, FeedForward):
                yield layer.ffn.inner.weight


def _few(matrix: Matrix) -> bool:
    return not isinstance(matrix, Floats) or bool(matrix.half)

"""Which tokens there are, and which of them see each other, as nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from axkit_plugins.runtimes.network.matrix import Array
from axkit_plugins.runtimes.network.network import HIDDEN, Attention, Network
from axkit_plugins.runtimes.onnx.graph import Graph


@dataclass(frozen=True)
class Tokens:
    """Which tokens there are: names of values.

    Attributes:
        shape: of the ids, (2,): rows and tokens of the longest.
        rows: (1,).
        length: (1,), tokens of the longest row.
        added: to scores, (batch, 1, 1, tokens): 0, or ``HIDDEN`` where there is no token.
        mask: (batch, tokens), as it came.
        kept: flat places of the real tokens, (real,); None where all places are computed.
        place: of each place, the real token that stands there, (batch * tokens,); any at padding. None likewise.
        first: the first token of each row among those computed, (batch,).
    """

    shape: str
    rows: str
    length: str
    added: str
    mask: str
    kept: str | None
    place: str | None
    first: str


def mark_tokens(graph: Graph, ids: str, mask: str, packed: bool) -> Tokens:
    """Read the mask.

    Args:
        graph: to add to.
        ids: (batch, tokens).
        mask: likewise; 1 at tokens, 0 at padding, which stands on the right.
        packed: linear layers are computed on real tokens alone.
    """
    shape = graph.add("Shape", ids)
    rows = graph.add("Gather", shape, graph.whole(0))
    length = graph.add("Gather", shape, graph.whole(1))
    absent = graph.add("Sub", graph.number(1.0), graph.add("Cast", mask, to=TensorProto.FLOAT))
    added = graph.add("Unsqueeze", graph.add("Mul", absent, graph.number(HIDDEN)), graph.whole(1, 2))
    if not packed:
        row = graph.add("Range", graph.one(0), graph.add("Squeeze", rows, graph.whole(0)), graph.one(1))
        return Tokens(shape, rows, length, added, mask, None, None, graph.add("Mul", row, length))
    flat = graph.reshape(mask, -1)
    kept = graph.reshape(graph.add("NonZero", flat), -1)
    place = graph.add("Sub", graph.add("CumSum", flat, graph.one(0)), graph.one(1))
    place = graph.add("Max", place, graph.one(0))
    first = graph.add("Gather", graph.add("Reshape", place, shape), graph.one(0), axis=1)
    return Tokens(shape, rows, length, added, mask, kept, place, first)


def mark_patches(graph: Graph, pixels: str, count: int) -> Tokens:
    """Of images: each has as many tokens, and none is padding."""
    rows, length = graph.add("Gather", graph.add("Shape", pixels), graph.whole(0)), graph.whole(count)
    shape = graph.add("Concat", rows, length, axis=0)
    row = graph.add("Range", graph.one(0), graph.add("Squeeze", rows, graph.whole(0)), graph.one(1))
    added = graph.constant(np.zeros((1, 1, 1, count), np.float32))
    return Tokens(shape, rows, length, added, "", None, None, graph.add("Mul", row, length))


def spread(graph: Graph, x: str, tokens: Tokens) -> str:
    """Computed tokens -> all places: (computed, width) -> (batch * tokens, width); any values at padding."""
    return x if tokens.place is None else graph.add("Gather", x, tokens.place)


def gathered(graph: Graph, x: str, tokens: Tokens) -> str:
    """The inverse of ``spread``."""
    return x if tokens.kept is None else graph.add("Gather", x, tokens.kept)


@dataclass(frozen=True)
class Scores:
    """What is added to scores before softmax.

    Attributes:
        added: broadcast to (batch, heads, queries, tokens): ``HIDDEN`` where a key is not seen, and what
            distances add.
        counts: keys that each query sees, int64, broadcast to (batch, heads, queries, 1).
    """

    added: str
    counts: str


def scores_of(graph: Graph, network: Network, block: Attention, tokens: Tokens) -> Scores:
    """For a layer's attention; made once for all layers that are alike."""
    seen = graph.once(("seen", block.causal, block.window), lambda: _seen(graph, block, tokens))
    if network.distances is None:
        return seen
    table, dense = network.distances, tuple(range(network.distances.shape[1]))
    whole = graph.once("distances", lambda: _by_distance(graph, table, tokens))
    if block.heads != dense:
        heads = graph.constant(np.array(block.heads))
        whole = graph.once(("distances", block.heads), lambda: graph.add("Gather", whole, heads, axis=1))
    key = ("scores", block.causal, block.window, block.heads)
    return Scores(graph.once(key, lambda: graph.add("Add", seen.added, whole)), seen.counts)


def _seen(graph: Graph, block: Attention, tokens: Tokens) -> Scores:
    added = tokens.added
    if block.causal or block.window is not None:
        apart = behind(graph, tokens)
        hidden = graph.add("Greater", apart, graph.one(0)) if block.causal else ""
        if block.window is not None:
            far = graph.add("Greater", graph.add("Abs", apart), graph.one(block.window))
            hidden = graph.add("Or", hidden, far) if hidden else far
        cost = graph.add("Mul", graph.add("Cast", hidden, to=TensorProto.FLOAT), graph.number(HIDDEN))
        added = graph.add("Add", added, graph.add("Unsqueeze", cost, graph.whole(0, 1)))
    real = graph.add("Cast", graph.add("Greater", added, graph.number(HIDDEN / 2)), to=TensorProto.INT64)
    return Scores(added, graph.add("ReduceSum", real, graph.whole(-1), keepdims=1))


def behind(graph: Graph, tokens: Tokens) -> str:
    """How many tokens a key stands behind its query, (queries, tokens) int64; below 0 before it."""
    places = graph.once("places", lambda: places_of(graph, tokens))
    return graph.add("Sub", places, graph.add("Unsqueeze", places, graph.whole(1)))


def places_of(graph: Graph, tokens: Tokens) -> str:
    """0, 1, 2, ... up to the longest row's last, (tokens,) int64."""
    count = graph.add("Squeeze", tokens.length, graph.whole(0))
    return graph.add("Range", graph.one(0), count, graph.one(1))


def _by_distance(graph: Graph, table: Array, tokens: Tokens) -> str:
    """(1, heads, queries, tokens)."""
    where = graph.add("Add", behind(graph, tokens), graph.one(len(table) // 2))
    found = graph.add("Gather", graph.constant(table, "distances"), where)  # (queries, tokens, heads)
    return graph.add("Unsqueeze", graph.add("Transpose", found, perm=[2, 0, 1]), graph.whole(0))

"""Attention as nodes: of all tokens over all, and of one over all where the head reads no other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from axkit_plugins.runtimes.network.matrix import Array, Bytes, Floats, Linear, rows_of, stacked
from axkit_plugins.runtimes.network.network import Attention, Network, Rotary
from axkit_plugins.runtimes.onnx.graph import Graph
from axkit_plugins.runtimes.onnx.products import linear

MASKED = -1e30  # added to a score: its probability is exactly 0 in each precision, and sums stay finite


@dataclass(frozen=True)
class Tokens:
    """Which tokens there are: names of values.

    Attributes:
        shape: of the ids, (2,): rows and tokens of the longest.
        rows: (1,).
        length: (1,), tokens of the longest row.
        added: to scores, (batch, 1, 1, tokens): 0, or :data:`MASKED` where there is no token.
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
    added = graph.add("Unsqueeze", graph.add("Mul", absent, graph.number(MASKED)), graph.whole(1, 2))
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
    return Tokens(shape, rows, length, added, "", None, None, str(graph.add("Mul", row, length)))


def spread(graph: Graph, x: str, tokens: Tokens) -> str:
    """Computed tokens -> all places: (computed, width) -> (batch * tokens, width); any values at padding."""
    return x if tokens.place is None else str(graph.add("Gather", x, tokens.place))


def gathered(graph: Graph, x: str, tokens: Tokens) -> str:
    """The inverse of :func:`spread`."""
    return x if tokens.kept is None else str(graph.add("Gather", x, tokens.kept))


@dataclass(frozen=True)
class Scores:
    """What is added to scores before softmax.

    Attributes:
        added: broadcast to (batch, heads, queries, tokens): :data:`MASKED` where a key is not seen, and what
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
    return Scores(graph.once(key, lambda: str(graph.add("Add", seen.added, whole))), seen.counts)


def _seen(graph: Graph, block: Attention, tokens: Tokens) -> Scores:
    added = tokens.added
    if block.causal or block.window is not None:
        behind = _behind(graph, tokens)
        hidden = graph.add("Greater", behind, graph.one(0)) if block.causal else ""
        if block.window is not None:
            far = graph.add("Greater", graph.add("Abs", behind), graph.one(block.window))
            hidden = graph.add("Or", hidden, far) if hidden else far
        cost = graph.add("Mul", graph.add("Cast", hidden, to=TensorProto.FLOAT), graph.number(MASKED))
        added = str(graph.add("Add", added, graph.add("Unsqueeze", cost, graph.whole(0, 1))))
    real = graph.add("Cast", graph.add("Greater", added, graph.number(MASKED / 2)), to=TensorProto.INT64)
    return Scores(added, str(graph.add("ReduceSum", real, graph.whole(-1), keepdims=1)))


def _behind(graph: Graph, tokens: Tokens) -> str:
    """How many tokens a key stands behind its query, (queries, tokens) int64; below 0 before it."""
    places = graph.once("places", lambda: places_of(graph, tokens))
    return str(graph.add("Sub", places, graph.add("Unsqueeze", places, graph.whole(1))))


def places_of(graph: Graph, tokens: Tokens) -> str:
    """0, 1, 2, ... up to the longest row's last, (tokens,) int64."""
    count = graph.add("Squeeze", tokens.length, graph.whole(0))
    return str(graph.add("Range", graph.one(0), count, graph.one(1)))


def _by_distance(graph: Graph, table: Array, tokens: Tokens) -> str:
    """(1, heads, queries, tokens)."""
    where = graph.add("Add", _behind(graph, tokens), graph.one(len(table) // 2))
    found = graph.add("Gather", graph.constant(table, "distances"), where)  # (queries, tokens, heads)
    return str(graph.add("Unsqueeze", graph.add("Transpose", found, perm=[2, 0, 1]), graph.whole(0)))


def _turned(graph: Graph, x: str, how: Rotary, tokens: Tokens) -> str:
    """(batch, heads, tokens, head size), each pair of values turned by its frequency times the position."""
    cosine, sine = graph.once(("angles", id(how)), lambda: _angles(graph, how, tokens), how)
    front, back = graph.add("Split", x, outputs=2, axis=-1, num_outputs=2)
    across = graph.add("Concat", graph.add("Neg", back), front, axis=-1)
    return str(graph.add("Add", graph.add("Mul", x, cosine), graph.add("Mul", across, sine)))


def _angles(graph: Graph, how: Rotary, tokens: Tokens) -> tuple[str, str]:
    """Cosines and sines, (tokens, head size) each."""
    places = graph.once("places", lambda: places_of(graph, tokens))
    places = graph.add("Unsqueeze", graph.add("Cast", places, to=TensorProto.FLOAT), graph.whole(1))
    angles = graph.add("Mul", places, graph.constant(how.frequencies[None, :], "frequencies"))
    both, scaling = graph.add("Concat", angles, angles, axis=-1), graph.number(how.scaling)
    cosine, sine = (str(graph.add("Mul", graph.add(op, both), scaling)) for op in ("Cos", "Sin"))
    return cosine, sine


def attend(graph: Graph, x: str, block: Attention, tokens: Tokens, scores: Scores, name: str) -> str:
    """Every token attends to every token of its row: (computed, hidden) -> (computed, heads * head size)."""
    width, heads = rows_of(block.query.weight), len(block.heads)
    projected = spread(graph, _projected(graph, x, [block.query, block.key, block.value], name), tokens)
    shape = graph.add("Concat", tokens.shape, graph.whole(3, heads, width // heads), axis=0)
    apart = graph.add("Transpose", graph.add("Reshape", projected, shape), perm=[2, 0, 3, 1, 4])
    query, key, value = (
        graph.add("Squeeze", one, graph.whole(0)) for one in graph.add("Split", apart, outputs=3, axis=0, num_outputs=3)
    )
    if block.rotary is not None:
        query, key = (_turned(graph, one, block.rotary, tokens) for one in (query, key))
    found = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    weights = graph.add("Softmax", graph.add("Add", found, scores.added), axis=-1)
    weights = _largest(graph, weights, block.hard_k, tokens, scores)
    context = graph.add("Transpose", graph.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    return gathered(graph, graph.reshape(context, -1, width), tokens)


def _projected(graph: Graph, x: str, parts: list[Linear], name: str) -> str:
    """Several linear layers of one input: as one where they are stored alike."""
    joined = graph.once(("joined", *map(id, parts)), lambda: stacked(parts), parts)
    if joined is not None:
        return linear(graph, x, joined, f"{name}.qkv")
    return str(graph.add("Concat", *[linear(graph, x, one, name) for one in parts], axis=1))


def attend_first(
    graph: Graph, x: str, first: str, block: Attention, tokens: Tokens, network: Network, name: str
) -> str:
    """The first token alone attends; keys and values are not computed: q (W x + b) = (q W) x + q b, likewise behind.

    What a key's bias adds to all scores of a head alike, softmax takes out again.

    Args:
        graph: to add to.
        x: (computed, hidden).
        first: the first tokens, (batch, hidden).
        block: of the attention.
        tokens: which there are.
        network: says what distances add.
        name: of its weights.

    Returns:
        (batch, heads * head size).
    """
    width, heads = rows_of(block.query.weight), len(block.heads)
    size = width // heads
    hidden = block.key.weight.expanded().shape[1]
    states = graph.add("Reshape", spread(graph, x, tokens), graph.add("Concat", tokens.shape, graph.whole(-1), axis=0))
    asked = graph.reshape(linear(graph, first, block.query, f"{name}.query"), -1, heads, size)
    key = _by_head(graph, block.key, (heads, size, hidden), f"{name}.key")
    query = graph.add("MatMul", graph.add("Transpose", asked, perm=[1, 0, 2]), key)  # (heads, batch, hidden)
    query = graph.add("Transpose", query, perm=[1, 0, 2])
    scores = graph.add("MatMul", query, graph.add("Transpose", states, perm=[0, 2, 1]))  # (batch, heads, tokens)
    allowed = scores_of(graph, network, block, tokens)
    added = graph.add("Gather", allowed.added, graph.one(0), axis=2)  # (batch or 1, heads or 1, tokens)
    weights = graph.add("Softmax", graph.add("Add", scores, added), axis=-1)
    weights = graph.add("Unsqueeze", weights, graph.whole(2))
    weights = graph.add("Squeeze", _largest(graph, weights, block.hard_k, tokens, allowed), graph.whole(2))
    seen = graph.add("Transpose", graph.add("MatMul", weights, states), perm=[1, 0, 2])  # (heads, batch, hidden)
    value = graph.add("Transpose", _by_head(graph, block.value, (heads, size, hidden), f"{name}.value"), perm=[0, 2, 1])
    context = graph.add("Transpose", graph.add("MatMul", seen, value), perm=[1, 0, 2])  # (batch, heads, size)
    if block.value.bias is not None:
        share = graph.add("ReduceSum", weights, graph.whole(-1), keepdims=1)  # 1, but for hard attention
        bias = graph.constant(block.value.bias.reshape(heads, size), f"{name}.value.bias")
        context = graph.add("Add", context, graph.add("Mul", share, bias))
    return graph.reshape(context, -1, width)


def _by_head(graph: Graph, layer: Linear, shape: tuple[int, int, int], name: str) -> str:
    """A weight as (heads, head size, hidden) float32; integers are stored as they are, and widened when loaded."""
    weight = layer.weight
    if isinstance(weight, Floats):
        return graph.constant(weight.values.reshape(shape), name)
    codes = graph.add("Cast", graph.constant(weight.codes.reshape(shape), name), to=TensorProto.FLOAT)
    scale = weight.scale if isinstance(weight, Bytes) else np.repeat(weight.scale, weight.vector, 1)[:, : shape[2]]
    return str(graph.add("Mul", codes, graph.constant(scale.reshape(*shape[:2], -1), f"{name}.scale")))


def _largest(graph: Graph, weights: str, k: int | float | None, tokens: Tokens, scores: Scores) -> str:
    """The K largest of (batch, heads, queries, tokens), whatever the length; equals of the K-th stay with it."""
    if k is None:
        return weights
    if isinstance(k, int):
        most = graph.add("Min", graph.whole(k), tokens.length)
        values, _ = graph.add("TopK", weights, most, outputs=2, axis=-1)
        least = graph.add("Gather", values, graph.whole(-1), axis=-1)
    else:  # that share of the keys that a query sees, rounded up; all are sorted, and each query takes its own
        values, _ = graph.add("TopK", weights, tokens.length, outputs=2, axis=-1)
        counts = graph.add("Cast", scores.counts, to=TensorProto.FLOAT)
        share = graph.add("Ceil", graph.add("Mul", counts, graph.number(k)))
        last = graph.add("Sub", graph.add("Cast", share, to=TensorProto.INT64), graph.one(1))
        shape = graph.add("Shape", weights)
        shape = graph.add("Concat", graph.add("Slice", shape, graph.whole(0), graph.whole(3)), graph.whole(1), axis=0)
        least = graph.add("GatherElements", values, graph.add("Expand", last, shape), axis=-1)
    kept = graph.add("Cast", graph.add("GreaterOrEqual", weights, least), to=TensorProto.FLOAT)
    return str(graph.add("Mul", weights, kept))

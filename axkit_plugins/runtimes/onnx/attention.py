"""Attention as nodes: of all tokens over all, and of one over all where the head reads no other."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from axkit_plugins.runtimes.network.matrix import Bytes, Floats, Linear, rows_of, stacked
from axkit_plugins.runtimes.network.network import HIDDEN, Attention, Network, Relative, Rotary
from axkit_plugins.runtimes.onnx.graph import MICROSOFT, Graph
from axkit_plugins.runtimes.onnx.products import linear
from axkit_plugins.runtimes.onnx.tokens import Scores, Tokens, behind, gathered, places_of, scores_of, spread


def _turned(graph: Graph, x: str, how: Rotary, tokens: Tokens) -> str:
    """(batch, heads, tokens, head size), each pair of values turned by its frequency times the position."""
    cosine, sine = graph.once(("angles", id(how)), lambda: _angles(graph, how, tokens), how)
    front, back = graph.several(2, "Split", x, axis=-1, num_outputs=2)
    across = graph.add("Concat", graph.add("Neg", back), front, axis=-1)
    return graph.add("Add", graph.add("Mul", x, cosine), graph.add("Mul", across, sine))


def _angles(graph: Graph, how: Rotary, tokens: Tokens) -> tuple[str, str]:
    """Cosines and sines, (tokens, head size) each."""
    places = graph.once("places", lambda: places_of(graph, tokens))
    places = graph.add("Unsqueeze", graph.add("Cast", places, to=TensorProto.FLOAT), graph.whole(1))
    angles = graph.add("Mul", places, graph.constant(how.frequencies[None, :], "frequencies"))
    both, scaling = graph.add("Concat", angles, angles, axis=-1), graph.number(how.scaling)
    cosine, sine = (graph.add("Mul", graph.add(op, both), scaling) for op in ("Cos", "Sin"))
    return cosine, sine


def _relative(graph: Graph, scores: str, query: str, key: str, how: Relative, tokens: Tokens) -> str:
    """Scores and their parts by relative position."""
    whole = graph.add("Shape", scores)
    for content, table, back in ((query, how.keys, False), (key, how.queries, True)):
        if table is None:
            continue
        apart = graph.once("behind", lambda: behind(graph, tokens))
        where = graph.add("Add", apart, graph.one(len(how.index) // 2))
        where = graph.add("Gather", graph.constant(how.index, "index"), where)
        where = graph.add("Transpose", where, perm=[1, 0]) if back else where
        turned = graph.constant(np.ascontiguousarray(table.transpose(0, 2, 1)), "relative")
        part = graph.add("MatMul", content, turned)  # (batch, heads, tokens, positions)
        part = graph.add("GatherElements", part, graph.add("Expand", where, whole), axis=-1)
        scores = graph.add("Add", scores, graph.add("Transpose", part, perm=[0, 1, 3, 2]) if back else part)
    return scores


def attend(graph: Graph, x: str, block: Attention, tokens: Tokens, scores: Scores, name: str) -> str:
    """Every token attends to every token of its row: (computed, hidden) -> (computed, heads * head size)."""
    width, heads = rows_of(block.query.weight), len(block.heads)
    projected = spread(graph, _projected(graph, x, [block.query, block.key, block.value], name), tokens)
    if _in_one(graph, block, tokens, scores):
        return gathered(graph, graph.reshape(_attended(graph, projected, heads, width, tokens), -1, width), tokens)
    shape = graph.add("Concat", tokens.shape, graph.whole(3, heads, width // heads), axis=0)
    apart = graph.add("Transpose", graph.add("Reshape", projected, shape), perm=[2, 0, 3, 1, 4])
    query, key, value = (
        graph.add("Squeeze", one, graph.whole(0)) for one in graph.several(3, "Split", apart, axis=0, num_outputs=3)
    )
    if block.rotary is not None:
        query, key = (_turned(graph, one, block.rotary, tokens) for one in (query, key))
    found = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    if block.relative is not None:
        found = _relative(graph, found, query, key, block.relative, tokens)
    weights = graph.add("Softmax", graph.add("Add", found, scores.added), axis=-1)
    weights = _largest(graph, weights, block, tokens, scores)
    context = graph.add("Transpose", graph.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    return gathered(graph, graph.reshape(context, -1, width), tokens)


def _in_one(graph: Graph, block: Attention, tokens: Tokens, scores: Scores) -> bool:
    """Whether it is what an operator of onnxruntime computes: nothing but padding is hidden, and nothing added."""
    plain = block.hard_k is None and block.rotary is None and block.relative is None
    return plain and not graph.widens and bool(tokens.mask) and scores.added == tokens.added


def _attended(graph: Graph, projected: str, heads: int, width: int, tokens: Tokens) -> str:
    """(batch * tokens, 3 * width) -> (batch, tokens, width)."""
    shape = graph.add("Concat", tokens.shape, graph.whole(3 * width), axis=0)
    parts = graph.several(3, "Split", graph.add("Reshape", projected, shape), axis=2, num_outputs=3)
    seen = graph.once("seen", lambda: graph.add("Cast", tokens.mask, to=TensorProto.INT32))
    return graph.add(
        "MultiHeadAttention", *parts, "", seen, domain=MICROSOFT, num_heads=heads, scale=1.0, mask_filter_value=HIDDEN
    )


def _projected(graph: Graph, x: str, parts: list[Linear], name: str) -> str:
    """Several linear layers of one input: as one where they are stored alike."""
    joined = graph.once(("joined", *map(id, parts)), lambda: stacked(parts), parts)
    if joined is not None:
        return linear(graph, x, joined, f"{name}.qkv")
    return graph.add("Concat", *[linear(graph, x, one, name) for one in parts], axis=1)


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
    weights = graph.add("Squeeze", _largest(graph, weights, block, tokens, allowed), graph.whole(2))
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
    return graph.add("Mul", codes, graph.constant(scale.reshape(*shape[:2], -1), f"{name}.scale"))


def _largest(graph: Graph, weights: str, block: Attention, tokens: Tokens, scores: Scores) -> str:
    """The K largest of (batch, heads, queries, tokens), whatever the length.

    Where tokens have positions of their own, two are equal to the bit by accident alone: what is not below the K-th is
    kept. Where they have only distances, equal tokens far away are equal: exactly K are kept, which takes longer.
    """
    k = block.hard_k
    if k is None:
        return weights
    if block.relative is not None:
        return _exactly(graph, weights, k, tokens, scores)
    if isinstance(k, int):
        most = graph.add("Min", graph.whole(k), tokens.length)
        values, _ = graph.several(2, "TopK", weights, most, axis=-1)
        least = graph.add("Gather", values, graph.whole(-1), axis=-1)
    else:  # all are sorted, and each query takes its own
        values, _ = graph.several(2, "TopK", weights, tokens.length, axis=-1)
        share = graph.add("Cast", _share(graph, k, scores), to=TensorProto.INT64)
        shape = graph.add("Shape", weights)
        shape = graph.add("Concat", graph.add("Slice", shape, graph.whole(0), graph.whole(3)), graph.whole(1), axis=0)
        last = graph.add("Expand", graph.add("Sub", share, graph.one(1)), shape)
        least = graph.add("GatherElements", values, last, axis=-1)
    kept = graph.add("Cast", graph.add("GreaterOrEqual", weights, least), to=TensorProto.FLOAT)
    return graph.add("Mul", weights, kept)


def _exactly(graph: Graph, weights: str, k: int | float, tokens: Tokens, scores: Scores) -> str:
    most = graph.add("Min", graph.whole(k), tokens.length) if isinstance(k, int) else tokens.length
    values, where = graph.several(2, "TopK", weights, most, axis=-1)
    if isinstance(k, float):
        places = graph.add("Cast", graph.once("places", lambda: places_of(graph, tokens)), to=TensorProto.FLOAT)
        within = graph.add("Less", places, _share(graph, k, scores))
        values = graph.add("Mul", values, graph.add("Cast", within, to=TensorProto.FLOAT))
    return graph.add("ScatterElements", graph.add("Mul", weights, graph.number(0.0)), where, values, axis=-1)


def _share(graph: Graph, k: float, scores: Scores) -> str:
    """How many keys each query keeps: that share of those that it sees, rounded up; float32."""
    counts = graph.add("Cast", scores.counts, to=TensorProto.FLOAT)
    return graph.add("Ceil", graph.add("Mul", counts, graph.number(k)))

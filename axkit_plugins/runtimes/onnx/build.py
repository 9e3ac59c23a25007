"""A network as an ONNX model, layer by layer; nothing is traced, so no branch on a shape is frozen."""

from __future__ import annotations

from dataclasses import dataclass

from axkit_plugins.runtimes.network.network import Attention, Constant, Embeddings, FeedForward, LayerParts, Network
from axkit_plugins.runtimes.onnx.attention import Tokens, attend, attend_first, gathered, mark_tokens, spread
from axkit_plugins.runtimes.onnx.graph import Graph
from axkit_plugins.runtimes.onnx.products import activate, linear, norm, table

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


@dataclass(frozen=True)
class Built:
    """A graph.

    Attributes:
        model: serialized.
        values: numbers that it stores.
    """

    model: bytes
    values: int


def build(network: Network, packed: bool, widens: bool = False) -> Built:
    """The model; inputs (batch, tokens) int64, padded on the right, outputs float32.

    Args:
        network: what it computes.
        packed: embeddings, linear layers and norms are computed on real tokens alone; else at all places.
        widens: as of :class:`Graph`.
    """
    graph = Graph(widens)
    tokens = mark_tokens(graph, IDS, MASK, packed)
    x = _embedded(graph, network.embeddings, tokens)
    for index, layer in enumerate(network.layers):
        last = network.head.first_only and index == len(network.layers) - 1
        x = _layer(graph, network, layer, x, tokens, f"layer_{index}", last)
    if network.head.first_only and not network.layers:
        x = str(graph.add("Gather", x, tokens.first))
    for index, (step, then) in enumerate(network.head.steps):
        x = activate(graph, linear(graph, x, step, f"head_{index}"), then)
    outputs = _outputs(graph, network, x, tokens)
    return Built(graph.model(network.inputs, outputs), graph.values())


def _embedded(graph: Graph, embeddings: Embeddings, tokens: Tokens) -> str:
    places = {"ids": IDS, "types": TYPES}
    total = ""
    for one in embeddings.tables:
        if one.index == "positions":
            where = _positions(graph, embeddings.padding, tokens)
        else:
            where = gathered(graph, graph.reshape(places[one.index], -1), tokens)
        found = table(graph, one.rows, where, f"embedding_{one.index}")
        total = str(graph.add("Add", total, found)) if total else found
    x = norm(graph, total, embeddings.norm, "embedding_norm")
    return x if embeddings.project is None else linear(graph, x, embeddings.project, "embedding_project")


def _positions(graph: Graph, padding: int | None, tokens: Tokens) -> str:
    """(computed,) int64."""
    if padding is None:
        places = tokens.kept
        if places is None:
            count = graph.add("ReduceProd", tokens.shape, keepdims=0)
            places = graph.add("Range", graph.one(0), count, graph.one(1))
        return str(graph.add("Mod", places, tokens.length))
    real = graph.add("Cast", graph.add("Not", graph.add("Equal", IDS, graph.one(padding))), to=7)
    counted = graph.add("Mul", graph.add("CumSum", real, graph.one(1)), real)
    return gathered(graph, graph.reshape(graph.add("Add", counted, graph.one(padding)), -1), tokens)


def _layer(graph: Graph, network: Network, layer: LayerParts, x: str, tokens: Tokens, name: str, last: bool) -> str:
    """A post-norm layer; the last is computed for the first token alone where the head reads no other."""
    residual = str(graph.add("Gather", x, tokens.first)) if last else x
    block, added = layer.attention, ""
    if isinstance(block, Constant):
        added = graph.constant(block.values, f"{name}.attention")
    elif isinstance(block, Attention) and last:
        added = attend_first(graph, x, residual, block, tokens, name)
    elif isinstance(block, Attention):
        added = attend(graph, x, block, tokens, name)
    x = str(graph.add("Add", added, residual)) if added else residual
    x = norm(graph, x, layer.attention_norm, f"{name}.attention_norm")
    added = _neurons(graph, network, layer.ffn, x, name)
    x = str(graph.add("Add", added, x)) if added else x
    return norm(graph, x, layer.ffn_norm, f"{name}.ffn_norm")


def _neurons(graph: Graph, network: Network, block: FeedForward | Constant | None, x: str, name: str) -> str:
    """What the feed-forward block adds; "" where there is none."""
    if block is None:
        return ""
    if isinstance(block, Constant):
        return graph.constant(block.values, f"{name}.ffn")
    inner = activate(graph, linear(graph, x, block.inner, f"{name}.inner"), network.activation)
    return linear(graph, inner, block.outer, f"{name}.outer")


def _outputs(graph: Graph, network: Network, x: str, tokens: Tokens) -> dict[str, list[str | int]]:
    """Name the outputs: (batch, outputs), (batch, tokens, outputs), or (batch, tokens) each."""
    names = network.head.outputs
    width = len(network.head.steps[-1][0].offset)
    if network.head.first_only:
        graph.rename(x, names[0])
        return {names[0]: ["batch", width]}
    shape = graph.add("Concat", tokens.shape, graph.whole(width), axis=0)
    whole = str(graph.add("Reshape", spread(graph, x, tokens), shape))
    if len(names) == 1:
        graph.rename(whole, names[0])
        return {names[0]: ["batch", "tokens", width]}
    for column, one in enumerate(names):
        graph.rename(str(graph.add("Gather", whole, graph.one(column), axis=2)), one)
    return {one: ["batch", "tokens"] for one in names}

"""A network as an ONNX model, layer by layer; nothing is traced, so no branch on a shape is frozen."""

from __future__ import annotations

from dataclasses import dataclass

from axkit_plugins.runtimes.network.matrix import Linear
from axkit_plugins.runtimes.network.network import (
    Attention,
    Convolution,
    Embeddings,
    FeedForward,
    Head,
    LayerParts,
    Network,
    Norm,
    Patches,
)
from axkit_plugins.runtimes.onnx.attention import attend, attend_first
from axkit_plugins.runtimes.onnx.graph import Graph, numbers_in
from axkit_plugins.runtimes.onnx.products import activate, linear, norm, table
from axkit_plugins.runtimes.onnx.tokens import (
    Tokens,
    gathered,
    mark_patches,
    mark_tokens,
    places_of,
    scores_of,
    spread,
)

IDS, MASK, TYPES, PIXELS = "input_ids", "attention_mask", "token_type_ids", "pixel_values"


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
        widens: as of ``Graph``.
    """
    graph = Graph(widens)
    if isinstance(network.embeddings, Patches):
        tokens = mark_patches(graph, PIXELS, len(network.embeddings.positions))
        x = _patched(graph, network.embeddings, tokens)
    else:
        tokens = mark_tokens(graph, IDS, MASK, packed)
        x = _embedded(graph, network.embeddings, tokens)
    alone = _read(graph, network.head, tokens)
    entered, beside, narrowed = x, network.convolution, False
    for index, layer in enumerate(network.layers):
        narrowed = network.narrows(index)
        x = _Layer(graph, network, layer, tokens, f"layer_{index}").build(x, alone if narrowed else None)
        if index == 0 and beside is not None:
            x = _convolved(graph, beside, entered, x, tokens)
    if alone is not None and not narrowed:
        x = graph.add("Gather", x, alone)
    if network.norm is not None:
        x = norm(graph, x, network.norm, "norm")
    if network.head.reads == "mean":
        x = _mean(graph, x, tokens)
    for index, step in enumerate(network.head.steps):
        x = activate(graph, linear(graph, x, step.linear, f"head_{index}"), step.activation)
        x = x if step.norm is None else norm(graph, x, step.norm, f"head_{index}.norm")
    outputs = _outputs(graph, network, x, tokens)
    return Built(graph.model(_inputs(network), outputs), numbers_in(graph))


def _inputs(network: Network) -> dict[str, list[str | int]]:
    """Names and dimensions."""
    if not isinstance(network.embeddings, Patches):
        return {name: ["batch", "tokens"] for name in network.inputs}
    return {PIXELS: ["batch", network.embeddings.weight.shape[1], "height", "width"]}


def _read(graph: Graph, head: Head, tokens: Tokens) -> str | None:
    """The tokens that the head reads, one of each row, (batch,) among those computed; None: more than one."""
    if head.reads == "first":
        return tokens.first
    if head.reads != "last":
        return None
    places = graph.once("places", lambda: places_of(graph, tokens))
    if head.padding is not None:  # the last that is not it, as transformers looks for it
        other = graph.add("Not", graph.add("Equal", IDS, graph.one(head.padding)))
        places = graph.add("Mul", graph.add("Cast", other, to=7), places)
        last = graph.add("ReduceMax", places, graph.whole(1), keepdims=0)
    else:
        last = graph.add("Sub", tokens.length, graph.one(1))
    return graph.add("Add", tokens.first, last)


def _convolved(graph: Graph, how: Convolution, entered: str, x: str, tokens: Tokens) -> str:
    """The sum of ``x`` and a convolution of what entered its layer, normalised; padding counts as zeros."""
    shape = graph.add("Concat", tokens.shape, graph.whole(-1), axis=0)
    mask = graph.add("Unsqueeze", graph.add("Cast", tokens.mask, to=1), graph.whole(2))
    states = graph.add("Mul", graph.add("Reshape", spread(graph, entered, tokens), shape), mask)
    weight, bias = graph.constant(how.weight, "convolution"), graph.constant(how.bias, "convolution.bias")
    pads = [(how.weight.shape[2] - 1) // 2] * 2
    states = graph.add("Transpose", states, perm=[0, 2, 1])
    states = graph.add("Conv", states, weight, bias, pads=pads, group=how.groups)
    states = graph.reshape(graph.add("Transpose", states, perm=[0, 2, 1]), -1, len(how.bias))
    states = activate(graph, gathered(graph, states, tokens), how.activation)
    return norm(graph, graph.add("Add", x, states), how.norm, "convolution.norm")


def _mean(graph: Graph, x: str, tokens: Tokens) -> str:
    """Of a row's tokens: (computed, hidden) -> (batch, hidden)."""
    shape = graph.add("Concat", tokens.shape, graph.whole(-1), axis=0)
    states = graph.add("Reshape", spread(graph, x, tokens), shape)
    mask = graph.add("Unsqueeze", graph.add("Cast", tokens.mask, to=1), graph.whole(2))
    total = graph.add("ReduceSum", graph.add("Mul", states, mask), graph.whole(1), keepdims=0)
    return graph.add("Div", total, graph.add("ReduceSum", mask, graph.whole(1), keepdims=0))


def _embedded(graph: Graph, embeddings: Embeddings, tokens: Tokens) -> str:
    places = {"ids": IDS, "types": TYPES}
    total = ""
    for one in embeddings.tables:
        if one.index == "positions":
            where = _positions(graph, embeddings.padding, tokens)
        else:
            where = gathered(graph, graph.reshape(places[one.index], -1), tokens)
        found = table(graph, one.rows, where, f"embedding_{one.index}")
        total = graph.add("Add", total, found) if total else found
    for step in embeddings.then:
        if isinstance(step, Linear):
            total = linear(graph, total, step, "embedding_project")
        else:
            total = norm(graph, total, step, "embedding_norm")
    return total


def _patched(graph: Graph, patches: Patches, tokens: Tokens) -> str:
    """(batch * tokens, hidden)."""
    weight, bias = graph.constant(patches.weight, "patches"), graph.constant(patches.bias, "patches.bias")
    found = graph.add("Conv", PIXELS, weight, bias, strides=list(patches.weight.shape[2:]))
    hidden = len(patches.first)
    rows = graph.add("Transpose", graph.reshape(found, 0, hidden, -1), perm=[0, 2, 1])
    shape = graph.add("Concat", tokens.rows, graph.whole(1, hidden), axis=0)
    first = graph.add("Expand", graph.constant(patches.first[None, None], "first"), shape)
    whole = graph.add("Concat", first, rows, axis=1)
    return graph.reshape(graph.add("Add", whole, graph.constant(patches.positions, "positions")), -1, hidden)


def _positions(graph: Graph, padding: int | None, tokens: Tokens) -> str:
    """(computed,) int64."""
    if padding is None:
        places = tokens.kept
        if places is None:
            count = graph.add("ReduceProd", tokens.shape, keepdims=0)
            places = graph.add("Range", graph.one(0), count, graph.one(1))
        return graph.add("Mod", places, tokens.length)
    real = graph.add("Cast", graph.add("Not", graph.add("Equal", IDS, graph.one(padding))), to=7)
    counted = graph.add("Mul", graph.add("CumSum", real, graph.one(1)), real)
    return gathered(graph, graph.reshape(graph.add("Add", counted, graph.one(padding)), -1), tokens)


@dataclass(frozen=True)
class _Layer:
    """One layer being built."""

    graph: Graph
    network: Network
    parts: LayerParts
    tokens: Tokens
    name: str

    def build(self, x: str, alone: str | None) -> str:
        """(computed, hidden) -> the same; (batch, hidden) where one token of each row is all that is read behind it."""
        norms = (self.parts.attention_norm, self.parts.ffn_norm)
        names = (f"{self.name}.attention_norm", f"{self.name}.ffn_norm")
        read = self._before(x, norms[0], names[0], self.parts.attention)
        left = x if alone is None else self.graph.add("Gather", x, alone)
        x = self._joined(left, self._attended(read, alone), norms[0], names[0])
        read = self._before(x, norms[1], names[1], self.parts.ffn)
        return self._joined(x, self._neurons(read), norms[1], names[1])

    def _before(self, x: str, of: Norm | None, name: str, block: object) -> str:
        """What a block reads: in a pre-norm network its norm."""
        wanted = self.network.pre_norm and of is not None and isinstance(block, Attention | FeedForward)
        return norm(self.graph, x, of, name) if wanted and of is not None else x

    def _joined(self, x: str, added: str, of: Norm | None, name: str) -> str:
        """The residual sum, and in a post-norm network its norm."""
        x = self.graph.add("Add", added, x) if added else x
        return x if self.network.pre_norm or of is None else norm(self.graph, x, of, name)

    def _attended(self, x: str, alone: str | None) -> str:
        """What the attention block adds; "" where there is none."""
        graph, block = self.graph, self.parts.attention
        if not isinstance(block, Attention):
            return "" if block is None else graph.constant(block.values, f"{self.name}.attention")
        if alone is not None and block.folds and self.network.head.reads == "first":
            first = graph.add("Gather", x, alone)
            context = attend_first(graph, x, first, block, self.tokens, self.network, self.name)
        else:
            scores = scores_of(graph, self.network, block, self.tokens)
            context = attend(graph, x, block, self.tokens, scores, self.name)
            context = context if alone is None else graph.add("Gather", context, alone)
        return linear(graph, context, block.out, f"{self.name}.out")

    def _neurons(self, x: str) -> str:
        """What the feed-forward block adds; "" where there is none."""
        graph, block = self.graph, self.parts.ffn
        if not isinstance(block, FeedForward):
            return "" if block is None else graph.constant(block.values, f"{self.name}.ffn")
        inner = linear(graph, x, block.inner, f"{self.name}.inner")
        if block.gated:
            value, gate = graph.several(2, "Split", inner, axis=1, num_outputs=2)
            inner = graph.add("Mul", activate(graph, value, self.network.activation), gate)
        else:
            inner = activate(graph, inner, self.network.activation)
        return linear(graph, inner, block.outer, f"{self.name}.outer")


def _outputs(graph: Graph, network: Network, x: str, tokens: Tokens) -> dict[str, list[str | int]]:
    """Name the outputs: (batch, outputs), (batch, tokens, outputs), or (batch, tokens) each."""
    names = network.head.outputs
    width = len(network.head.steps[-1].linear.offset)
    if network.head.reads != "each":
        graph.rename(x, names[0])
        return {names[0]: ["batch", width]}
    shape = graph.add("Concat", tokens.shape, graph.whole(width), axis=0)
    whole = graph.add("Reshape", spread(graph, x, tokens), shape)
    if len(names) == 1:
        graph.rename(whole, names[0])
        return {names[0]: ["batch", "tokens", width]}
    for column, one in enumerate(names):
        graph.rename(graph.add("Gather", whole, graph.one(column), axis=2), one)
    return {one: ["batch", "tokens"] for one in names}

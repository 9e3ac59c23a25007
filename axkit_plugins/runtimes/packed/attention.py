"""Attention: of all tokens over all, and of one over all where the head reads no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from axkit_plugins.runtimes.network.matrix import Array, Linear, rows_of, stacked
from axkit_plugins.runtimes.network.network import HIDDEN, Attention, Relative, Rotary
from axkit_plugins.runtimes.packed.products import Function, linear, tensor_of
from axkit_plugins.runtimes.packed.tokens import Tokens

FEW = 64  # tokens, padding too: to call oneDNN, which multiplies 16 bits, takes longer than to multiply so few

Turn = Callable[[Tensor, Tokens], Tensor]
Add = Callable[[Tensor, Tensor, Tensor, Tokens], Tensor]


@dataclass(frozen=True)
class Seen:
    """What of its row a token sees, and which of it is kept.

    Attributes:
        heads: that are left, by their index in the dense model.
        hard_k: as of ``Attention``.
        causal: likewise.
        window: likewise.
        exactly: K are kept where several are equal, as they are where there are only distances, and often in 16 bits.
        distances: added to scores, (2 * most + 1, heads), or None.
        dtype: of scores.
    """

    heads: tuple[int, ...]
    hard_k: int | float | None
    causal: bool
    window: int | None
    exactly: bool
    distances: Tensor | None
    dtype: torch.dtype

    @classmethod
    def of(cls, block: Attention, distances: Array | None, dtype: torch.dtype) -> Seen:
        """Of a block, and what the network adds by distance to all heads of the dense model."""
        exactly = block.relative is not None or dtype != torch.float32
        table = None if distances is None else tensor_of(distances[:, list(block.heads)], dtype)
        return cls(block.heads, block.hard_k, block.causal, block.window, exactly, table, dtype)

    def added(self, tokens: Tokens) -> Tensor | None:
        """To scores, broadcast to (rows, heads, length, length); None: nothing is."""
        seen, table = tokens.added(self.causal, self.window, self.dtype), self.distances
        if table is None:
            return seen
        return tokens.once(("distances", self.heads), lambda: _by_distance(table, seen, tokens))

    def weights(self, scores: Tensor, added: Tensor | None) -> Tensor:
        """Scores, to which that was added -> probabilities, those that are kept."""
        k = kept_of(self.hard_k, scores.shape[-1])
        return largest(_softmax(scores), k, added, self.exactly).to(scores.dtype)


@dataclass(frozen=True)
class Attend:
    """One block.

    Attributes:
        seen: by each token.
        project: the block's input -> queries, keys and values, one behind the other.
        out: context -> what the block adds.
        turned: queries or keys by their position, or None.
        relative: adds to scores by content and relative position, or None.
    """

    seen: Seen
    project: Function
    out: Function
    turned: Turn | None
    relative: Add | None

    @classmethod
    def of(cls, block: Attention, distances: Array | None, dtype: torch.dtype) -> Attend:
        """Of a block, and what the network adds by distance to all heads of the dense model."""
        return cls(
            Seen.of(block, distances, dtype),
            _projected([block.query, block.key, block.value], dtype),
            linear(block.out, dtype),
            None if block.rotary is None else _turning(block.rotary, dtype),
            None if block.relative is None else _relative(block.relative, dtype),
        )

    def __call__(self, x: Tensor, tokens: Tokens) -> Tensor:
        """(tokens, hidden) -> the same: what each token's attention to its row adds."""
        projected = tokens.spread(self.project(x))
        parts = projected.view(tokens.rows, tokens.length, 3, len(self.seen.heads), -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if self.turned is not None:
            query, key = self.turned(query, tokens), self.turned(key, tokens)
        added = self.seen.added(tokens)
        if kept_of(self.seen.hard_k, tokens.length) is None and self.relative is None:
            context = functional.scaled_dot_product_attention(query, key, value, added, scale=1.0)
        else:
            scores = query @ key.transpose(2, 3)
            if self.relative is not None:
                scores = self.relative(scores, query, key, tokens)
            context = self.seen.weights(scores if added is None else scores + added, added) @ value
        return self.out(tokens.gathered(context.transpose(1, 2)))


@dataclass(frozen=True)
class AttendFirst:
    """The first token alone attends; keys and values are not computed: q (W x + b) = (q W) x + q b, likewise behind.

    What a key's bias adds to all scores of a head alike, softmax takes out again.

    Attributes:
        seen: by the first token.
        query: first tokens -> queries.
        out: context -> what the block adds.
        key: (heads, head size, hidden), float32: so few products are not sooner in 16 bits.
        value: (heads, hidden, head size), likewise.
        bias: of the values, (heads, 1, head size), likewise, or None.
    """

    seen: Seen
    query: Function
    out: Function
    key: Tensor
    value: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, block: Attention, distances: Array | None, dtype: torch.dtype) -> AttendFirst:
        """Likewise; integers of keys and values are expanded."""
        heads = len(block.heads)
        key, value = (
            tensor_of(one.weight.expanded().reshape(heads, rows_of(one.weight) // heads, -1), torch.float32)
            for one in (block.key, block.value)
        )
        given = block.value.bias
        bias = None if given is None else tensor_of(given.reshape(heads, 1, -1), torch.float32)
        query, out = linear(block.query, dtype), linear(block.out, dtype)
        return cls(Seen.of(block, distances, dtype), query, out, key, value.transpose(1, 2).contiguous(), bias)

    def __call__(self, x: Tensor, first: Tensor, tokens: Tokens) -> Tensor:
        """(tokens, hidden), first tokens (rows, hidden) -> (rows, hidden)."""
        heads, few = len(self.seen.heads), tokens.rows * tokens.length <= FEW
        dtype = torch.float32 if few else self.seen.dtype
        states = tokens.spread(x).to(dtype)
        asked = self.query(first).float().view(tokens.rows, heads, -1).transpose(0, 1)  # (heads, rows, head size)
        asked = torch.bmm(asked, self.key).to(dtype).transpose(0, 1)
        scores = torch.bmm(asked, states.transpose(1, 2))  # (rows, heads, length)
        added = self.seen.added(tokens)
        if added is not None:
            added = added[:, :, 0]
            scores = scores + added
        weights = self.seen.weights(scores, added)
        seen = torch.bmm(weights, states).float().transpose(0, 1)  # (heads, rows, hidden)
        context = torch.bmm(seen, self.value)
        if self.bias is not None:  # the weights sum up to 1, but for hard attention
            share = 1.0 if self.seen.hard_k is None else weights.float().sum(-1).t()[:, :, None]
            context = context + share * self.bias
        return self.out(context.to(x.dtype).transpose(0, 1).reshape(tokens.rows, -1))


def _by_distance(table: Tensor, seen: Tensor | None, tokens: Tokens) -> Tensor:
    most = len(table) // 2
    found = table[tokens.behind.clamp(-most, most) + most].permute(2, 0, 1)[None]
    return found if seen is None else found + seen


def _softmax(scores: Tensor) -> Tensor:
    """In float32 whatever the scores are in, as PyTorch's own attention has it."""
    return scores.softmax(-1, dtype=torch.float32)


def _projected(parts: list[Linear], dtype: torch.dtype) -> Function:
    """Several linear layers of one input: as one where they are stored alike."""
    joined = stacked(parts)
    if joined is not None:
        return linear(joined, dtype)
    each = [linear(one, dtype) for one in parts]
    return lambda x: torch.cat([one(x) for one in each], 1)


def kept_of(k: int | float | None, length: int) -> int | float | None:
    """A K that takes something away from rows of so many tokens; None where there is none."""
    return None if isinstance(k, int) and k >= length else k


def largest(weights: Tensor, k: int | float | None, added: Tensor | None, exactly: bool) -> Tensor:
    """The K largest probabilities of (..., tokens); all where K is None.

    Args:
        weights: sum up to 1.
        k: a float is that share of the keys that a query sees, rounded up.
        added: to the scores; says which keys those are.
        exactly: K, whichever of several that are equal; else what is not below the K-th.
    """
    if k is None:
        return weights
    length = weights.shape[-1]
    values, where = weights.topk(k if isinstance(k, int) else length, -1)
    if isinstance(k, float):
        seen = torch.tensor(float(length)) if added is None else (added > HIDDEN / 2).sum(-1, keepdim=True).float()
        share = (seen * k).ceil().long().clamp(min=1)  # padding may see nothing
        within = torch.arange(length) < share
        if not exactly:
            last = (share - 1).expand(*weights.shape[:-1], 1)
            return weights * (weights >= values.gather(-1, last))
        values = values * within
    elif not exactly:
        return weights * (weights >= values[..., -1:])
    return torch.zeros_like(weights).scatter_(-1, where, values)


def _turning(how: Rotary, dtype: torch.dtype) -> Turn:
    """Each pair of values turned by its frequency times the position."""
    frequencies = torch.from_numpy(how.frequencies.copy())

    def angles(tokens: Tokens) -> tuple[Tensor, Tensor]:
        each = tokens.places[:, None] * frequencies
        both = torch.cat((each, each), -1)
        return (both.cos() * how.scaling).to(dtype), (both.sin() * how.scaling).to(dtype)

    def turned(x: Tensor, tokens: Tokens) -> Tensor:
        cosine, sine = tokens.once(("angles", id(how)), lambda: angles(tokens))
        front, back = x.chunk(2, -1)
        return x * cosine + torch.cat((-back, front), -1) * sine

    return turned


def _relative(how: Relative, dtype: torch.dtype) -> Add:
    """Scores and their parts by relative position."""
    keys, queries = (None if one is None else tensor_of(one, dtype).transpose(1, 2) for one in (how.keys, how.queries))
    index = torch.from_numpy(how.index.copy())

    def with_parts(scores: Tensor, query: Tensor, key: Tensor, tokens: Tokens) -> Tensor:
        where = index[tokens.behind + len(index) // 2]
        if keys is not None:
            scores = scores + (query @ keys).gather(-1, where.expand_as(scores))
        if queries is not None:
            scores = scores + (key @ queries).gather(-1, where.t().expand_as(scores)).transpose(2, 3)
        return scores

    return with_parts

"""A network as functions of tensors, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from axkit_plugins.runtimes.network.matrix import Linear, rows_of
from axkit_plugins.runtimes.network.network import (
    Attention,
    Constant,
    Convolution,
    Embeddings,
    FeedForward,
    Head,
    LayerParts,
    Network,
    Patches,
)
from axkit_plugins.runtimes.packed.attention import Attend, AttendFirst
from axkit_plugins.runtimes.packed.products import Function, activation, linear, norm, table, tensor_of
from axkit_plugins.runtimes.packed.tokens import STEP, Tokens

Inputs = Mapping[str, Tensor]


class PackedModel:
    """A network that answers in eager PyTorch, on the CPU.

    Args:
        network: what it computes.
        dtype: in which; integers of 8 bits are multiplied as they are where it is float32.
    """

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        self.inputs, self.head, self.dtype = network.inputs, replace(network.head, steps=()), dtype
        self.apart = dtype == torch.float32 and network.has_few_bits  # integers are rounded by the range of all inputs
        embeddings = network.embeddings
        if isinstance(embeddings, Patches):
            self.embedded: Callable[[Inputs, Tokens], Tensor] = _patched(embeddings, dtype)
            self.patches: int | None = len(embeddings.positions)
        else:
            self.embedded, self.patches = _embedded(embeddings, dtype), None
            known = (network.head.padding, embeddings.padding, 0)
            self.most, self.padded_with = _most(embeddings), next(one for one in known if one is not None)
        self.beside = None if network.convolution is None else _convolved(network.convolution, dtype)
        reads_one = network.head.reads in ("first", "last")
        made: dict[tuple[int, bool], _Layer] = {}  # a layer that stands several times holds its weights once
        self.layers = []
        for index, one in enumerate(network.layers):
            key = id(one), reads_one and network.narrows(index)
            made[key] = made.get(key) or _Layer.of(network, one, dtype, key[1])
            self.layers.append(made[key])
        self.norm = norm(network.norm, dtype)
        steps = network.head.steps
        self.steps = [(linear(one.linear, dtype, one.activation), norm(one.norm, dtype)) for one in steps]

    def __call__(self, inputs: Inputs) -> dict[str, Tensor]:
        """Named outputs of a batch, float32."""
        given = inputs["attention_mask"].shape[1] if self.patches is None else self.patches
        inputs = self._lengthened(inputs, given)
        tokens = self._tokens(inputs)
        x = entered = self.embedded(inputs, tokens)
        alone = _read(self.head, inputs, tokens, given)
        for index, layer in enumerate(self.layers):
            x = layer(x, tokens, alone)
            if index == 0 and self.beside is not None:
                x = self.beside(entered, x, tokens)
        if alone is not None and not (self.layers and self.layers[-1].narrows):
            x = x.index_select(0, alone)
        x = x if self.norm is None else self.norm(x)
        if self.head.reads == "mean":
            x = _mean(x, tokens)
        for product, normed in self.steps:
            x = product(x)
            x = x if normed is None else normed(x)
        return self._named(x.float(), tokens, given)

    def _tokens(self, inputs: Inputs) -> Tokens:
        if self.patches is None:
            return Tokens.of(inputs["attention_mask"], self.apart)
        return Tokens.of_all(len(inputs["pixel_values"]), self.patches)

    def _lengthened(self, inputs: Inputs, given: int) -> Inputs:
        """Padded further where rows are of a length that is not computed, but not past the last position."""
        more = 0 if self.patches is not None else min(-given % STEP, self.most - given)
        if more <= 0:
            return inputs
        return {
            name: functional.pad(one, (0, more), value=self.padded_with if name == "input_ids" else 0)
            for name, one in inputs.items()
        }

    def _named(self, x: Tensor, tokens: Tokens, given: int) -> dict[str, Tensor]:
        names = self.head.outputs
        if self.head.reads != "each":
            return {names[0]: x}
        whole = tokens.spread(x)[:, :given]
        if len(names) == 1:
            return {names[0]: whole.contiguous()}
        return {name: whole[:, :, column].contiguous() for column, name in enumerate(names)}


@dataclass(frozen=True)
class _Layer:
    """One layer.

    Attributes:
        attention: what it adds, of all tokens, or of the first alone; None where there is none.
        ffn: what it adds.
        norms: behind, or before, the two blocks.
        pre_norm: before.
        narrows: only the token that the head reads goes on.
    """

    attention: Attend | AttendFirst | Tensor | None
    ffn: Function | Tensor | None
    norms: tuple[Function | None, Function | None]
    pre_norm: bool
    narrows: bool

    @classmethod
    def of(cls, network: Network, parts: LayerParts, dtype: torch.dtype, narrows: bool) -> _Layer:
        """Of what is left of a layer."""
        block = parts.attention
        attention: Attend | AttendFirst | Tensor | None = None
        if isinstance(block, Attention):
            if narrows and block.folds and network.head.reads == "first":
                attention = AttendFirst.of(block, network.distances, dtype)
            else:
                attention = Attend.of(block, network.distances, dtype)
        elif isinstance(block, Constant):
            attention = tensor_of(block.values, dtype)
        neurons: Function | Tensor | None = None
        if isinstance(parts.ffn, FeedForward):
            neurons = _neurons(parts.ffn, network.activation, dtype)
        elif isinstance(parts.ffn, Constant):
            neurons = tensor_of(parts.ffn.values, dtype)
        norms = (norm(parts.attention_norm, dtype), norm(parts.ffn_norm, dtype))
        return cls(attention, neurons, norms, network.pre_norm, narrows)

    def __call__(self, x: Tensor, tokens: Tokens, alone: Tensor | None) -> Tensor:
        """(tokens, hidden) -> the same; (rows, hidden) where it narrows."""
        left = x if alone is None or not self.narrows else x.index_select(0, alone)
        x = self._joined(left, self._attended(self._before(x, 0), tokens, alone), 0)
        return self._joined(x, self.ffn if not callable(self.ffn) else self.ffn(self._before(x, 1)), 1)

    def _before(self, x: Tensor, block: int) -> Tensor:
        """What a block reads: in a pre-norm network its norm."""
        of, part = self.norms[block], (self.attention, self.ffn)[block]
        return of(x) if self.pre_norm and of is not None and callable(part) else x

    def _joined(self, x: Tensor, added: Tensor | None, block: int) -> Tensor:
        """The residual sum, and in a post-norm network its norm."""
        of = self.norms[block]
        x = x if added is None else added + x
        return x if self.pre_norm or of is None else of(x)

    def _attended(self, x: Tensor, tokens: Tokens, alone: Tensor | None) -> Tensor | None:
        if isinstance(self.attention, AttendFirst):
            return self.attention(x, x.index_select(0, tokens.first), tokens)
        if not isinstance(self.attention, Attend):
            return self.attention
        added = self.attention(x, tokens)
        return added if not self.narrows or alone is None else added.index_select(0, alone)


def _neurons(block: FeedForward, activated_by: str, dtype: torch.dtype) -> Function:
    outer = linear(block.outer, dtype)
    if not block.gated:
        neurons = linear(block.inner, dtype, activated_by)
        return lambda x: outer(neurons(x))
    inner, activated = linear(block.inner, dtype), activation(activated_by)

    def gated(x: Tensor) -> Tensor:
        value, gate = inner(x).chunk(2, -1)
        return outer(activated(value) * gate)

    return gated


def _embedded(embeddings: Embeddings, dtype: torch.dtype) -> Callable[[Inputs, Tokens], Tensor]:
    tables = [(one.index, table(one.rows, dtype)) for one in embeddings.tables]
    then = [linear(one, dtype) if isinstance(one, Linear) else norm(one, dtype) for one in embeddings.then]
    padding = embeddings.padding

    def embedded(inputs: Inputs, tokens: Tokens) -> Tensor:
        total = None
        for index, looked_up in tables:
            if index == "positions":
                where = _positions(inputs["input_ids"], padding, tokens)
            else:
                where = tokens.gathered(inputs["input_ids" if index == "ids" else "token_type_ids"]).squeeze(1)
            found = looked_up(where)
            total = found if total is None else total + found
        assert total is not None
        for step in filter(None, then):
            total = step(total)
        return total

    return embedded


def _most(embeddings: Embeddings) -> int:
    """Tokens of a row that there are positions for."""
    found = [rows_of(one.rows) for one in embeddings.tables if one.index == "positions"]
    return min(found, default=sys.maxsize) - (0 if embeddings.padding is None else embeddings.padding + 1)


def _positions(ids: Tensor, padding: int | None, tokens: Tokens) -> Tensor:
    """(tokens,) int64."""
    if padding is None:
        return tokens.gathered(tokens.places.expand(tokens.rows, -1)).squeeze(1)
    real = (ids != padding).long()
    return tokens.gathered(real.cumsum(1) * real + padding).squeeze(1)


def _patched(patches: Patches, dtype: torch.dtype) -> Callable[[Inputs, Tokens], Tensor]:
    weight, bias = tensor_of(patches.weight, dtype), tensor_of(patches.bias, dtype)
    first, positions = tensor_of(patches.first[None, None], dtype), tensor_of(patches.positions, dtype)

    def patched(inputs: Inputs, tokens: Tokens) -> Tensor:
        found = functional.conv2d(inputs["pixel_values"].to(dtype), weight, bias, stride=weight.shape[2:])
        rows = found.flatten(2).transpose(1, 2)
        return (torch.cat((first.expand(tokens.rows, -1, -1), rows), 1) + positions).flatten(0, 1)

    return patched


def _read(head: Head, inputs: Inputs, tokens: Tokens, given: int) -> Tensor | None:
    """The tokens that the head reads, one of each row, (rows,) among those computed; None: more than one."""
    if head.reads == "first":
        return tokens.first
    if head.reads != "last":
        return None
    if head.padding is None:
        return tokens.first + (given - 1)
    other = (inputs["input_ids"] != head.padding).long()  # the last that is not it, as transformers looks for it
    return tokens.first + (other * tokens.places).amax(1)


def _mean(x: Tensor, tokens: Tokens) -> Tensor:
    """Of a row's tokens: (tokens, hidden) -> (rows, hidden)."""
    states = tokens.spread(x)
    if tokens.mask is None:
        return states.mean(1)
    mask = tokens.mask[:, :, None].to(x.dtype)
    return (states * mask).sum(1) / mask.sum(1)


def _convolved(how: Convolution, dtype: torch.dtype) -> Callable[[Tensor, Tensor, Tokens], Tensor]:
    """The sum of ``x`` and a convolution of what entered its layer, normalised; padding counts as zeros."""
    weight, bias, normed = tensor_of(how.weight, dtype), tensor_of(how.bias, dtype), norm(how.norm, dtype)
    activated, aside = activation(how.activation), (how.weight.shape[2] - 1) // 2
    assert normed is not None

    def convolved(entered: Tensor, x: Tensor, tokens: Tokens) -> Tensor:
        states = tokens.spread(entered)
        states = states if tokens.mask is None else states * tokens.mask[:, :, None].to(dtype)
        found = functional.conv1d(states.transpose(1, 2), weight, bias, padding=aside, groups=how.groups)
        return normed(x + activated(tokens.gathered(found.transpose(1, 2))))

    return convolved

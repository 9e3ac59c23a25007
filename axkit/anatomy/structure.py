"""What is left of a model, as data. Immutable; indices are always those of the dense model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from axkit.ground.errors import CheckpointError

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_MOST = {"layers": 1000, "n_heads": 4096, "ffn_width": 1 << 21}
_MOST_AT_ALL = 1 << 22  # heads and neurons of all layers, far above any model: what a file may make us count out


def to_ranges(indices: Iterable[int]) -> str:
    """Sorted indices as text: ``(0, 1, 2, 5)`` -> ``'0-2,5'``."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in runs)


def from_ranges(text: str, end: int = _MOST_AT_ALL) -> tuple[int, ...]:
    """The inverse of ``to_ranges``, of indices below ``end``.

    Raises:
        ValueError: it is no such text; nothing is counted out before the bounds are known to be below ``end``.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.40} is no text of ranges")
    indices: list[int] = []
    for part in text.split(",") if text else ():
        found = _RANGE.fullmatch(part)
        if found is None:
            raise ValueError(f"'{part:.40}' is no range")
        first, last = int(found[1]), int(found[2] or found[1])
        if not (indices[-1] if indices else -1) < first <= last < end:
            raise ValueError(f"'{part:.40}' is not within what is left below {end}")
        indices.extend(range(first, last + 1))
    return tuple(indices)


@dataclass(frozen=True)
class LayerStructure:
    """What is left of one layer.

    Attributes:
        heads: kept attention heads, ascending. Empty means that every head was removed one by one: the block still
            adds its output bias. That is not the same as ``attention=False``.
        neurons: kept feed-forward neurons, ascending. Empty likewise leaves the output bias.
        attention: False when the whole attention block was removed (post-norm: its LayerNorm stays).
        ffn: False when the whole feed-forward block was removed (post-norm: its LayerNorm stays).
        hard_k: hard attention keeps the ``hard_k`` largest probabilities per head and query (a float: that share of
            the sequence's tokens, rounded up); None is dense attention.
        present: False when the layer was removed altogether, its LayerNorms too; nothing else is left of it then.
    """

    heads: tuple[int, ...]
    neurons: tuple[int, ...]
    attention: bool = True
    ffn: bool = True
    hard_k: int | float | None = None
    present: bool = True


@dataclass(frozen=True)
class Cuttable:
    """The layers of a model, and how to take something away from them; each method gives a changed copy.

    Attributes:
        layers: in order.
    """

    layers: tuple[LayerStructure, ...]

    def change(self, layer: int, **fields: Any) -> Self:
        """A copy with some fields of one layer replaced."""
        layers = list(self.layers)
        layers[layer] = replace(layers[layer], **fields)
        return replace(self, layers=tuple(layers))

    def keep_heads(self, layer: int, heads: Iterable[int]) -> Self:
        """Keep these heads of a layer; they are counted among those still there (0 is the first kept head)."""
        return self.change(layer, heads=_pick(self.layers[layer].heads, heads, "head", layer))

    def keep_neurons(self, layer: int, neurons: Iterable[int]) -> Self:
        """Keep these feed-forward neurons of a layer, counted among those still there (rows of ``ffn_in``)."""
        return self.change(layer, neurons=_pick(self.layers[layer].neurons, neurons, "neuron", layer))

    def without_heads(self, layer: int, heads: Iterable[int]) -> Self:
        """Remove heads of a layer, named by their index in the dense model."""
        gone = set(heads)
        return self.change(layer, heads=tuple(h for h in self.layers[layer].heads if h not in gone))

    def without_neurons(self, layer: int, neurons: Iterable[int]) -> Self:
        """Remove feed-forward neurons of a layer, named by their index in the dense model."""
        gone = set(neurons)
        return self.change(layer, neurons=tuple(n for n in self.layers[layer].neurons if n not in gone))

    def without_attention(self, layer: int) -> Self:
        """Remove the attention block of a layer, hard attention and all."""
        return self.change(layer, attention=False, heads=(), hard_k=None)

    def without_ffn(self, layer: int) -> Self:
        """Remove the feed-forward block of a layer."""
        return self.change(layer, ffn=False, neurons=())

    def without_layer(self, layer: int) -> Self:
        """Remove a whole layer, its LayerNorms too: what enters it goes on unchanged (DistilBERT, LayerDrop)."""
        gone = LayerStructure((), (), attention=False, ffn=False, present=False)
        return replace(self, layers=(*self.layers[:layer], gone, *self.layers[layer + 1 :]))


@dataclass(frozen=True)
class Structure(Cuttable):
    """What is left of a model: one ``LayerStructure`` per layer of the dense model.

    Attributes:
        layers: in order.
        n_heads: heads per layer of the dense model.
        ffn_width: feed-forward neurons per layer of the dense model.
        first_token_only: the last layer computes queries, output projection and feed-forward for the first token
            alone; exact for heads that read nothing else (AxFormer's classifiers do).
    """

    n_heads: int
    ffn_width: int
    first_token_only: bool = False

    @classmethod
    def dense(cls, layers: int, n_heads: int, ffn_width: int) -> Structure:
        """The structure of a model from which nothing was taken."""
        layer = LayerStructure(tuple(range(n_heads)), tuple(range(ffn_width)))
        return cls((layer,) * layers, n_heads, ffn_width)

    @property
    def is_dense(self) -> bool:
        """True when a stock class of transformers rebuilds the model exactly."""
        return self == Structure.dense(len(self.layers), self.n_heads, self.ffn_width)

    @property
    def last(self) -> int:
        """Index of the last layer that is there; -1 where none is."""
        return max((index for index, layer in enumerate(self.layers) if layer.present), default=-1)

    def is_within(self, other: Structure) -> bool:
        """True when nothing is here that ``other`` has lost: carving can only take away."""
        if (len(self.layers), self.n_heads, self.ffn_width) != (len(other.layers), other.n_heads, other.ffn_width):
            return False
        if other.first_token_only and not self.first_token_only:
            return False
        return all(
            set(a.heads) <= set(b.heads)
            and set(a.neurons) <= set(b.neurons)
            and a.attention <= b.attention
            and a.ffn <= b.ffn
            and a.present <= b.present
            for a, b in zip(self.layers, other.layers, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; indices as ranges, so that a pruned 12-layer model takes a few lines."""
        return {
            "n_heads": self.n_heads,
            "ffn_width": self.ffn_width,
            "first_token_only": self.first_token_only,
            "layers": [
                {
                    "attention": layer.attention,
                    "heads": to_ranges(layer.heads),
                    "ffn": layer.ffn,
                    "neurons": to_ranges(layer.neurons),
                    "hard_k": layer.hard_k,
                    "present": layer.present,
                }
                for layer in self.layers
            ],
        }

    @classmethod
    def from_json(cls, data: Any) -> Structure:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: the data is no structure.
        """
        try:
            n_heads, ffn_width = (_whole(data[name], _MOST[name]) for name in ("n_heads", "ffn_width"))
            _whole(len(data["layers"]), _MOST["layers"])
            found, left = [], _MOST_AT_ALL
            for layer in data["layers"]:
                found.append(_layer(layer, min(n_heads, left), min(ffn_width, left)))
                left -= len(found[-1].heads) + len(found[-1].neurons)
            layers = tuple(found)
            structure = cls(layers, n_heads, ffn_width, _flag(data["first_token_only"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"the checkpoint's structure is damaged ({error!r}); save the model again") from error
        if any(not x.present and (x.attention or x.ffn or x.heads or x.neurons or x.hard_k) for x in layers):
            raise CheckpointError("the checkpoint's structure has a removed layer with something in it")
        if not structure.is_within(cls.dense(len(layers), structure.n_heads, structure.ffn_width)):
            raise CheckpointError("the checkpoint's structure names heads or neurons that its model never had")
        return structure


def _layer(data: Any, n_heads: int, ffn_width: int) -> LayerStructure:
    k = data["hard_k"]
    if k is not None and not (type(k) in (int, float) and 0 < k < 1 << 24):
        raise ValueError(f"hard_k is {k!r:.40}")
    return LayerStructure(
        from_ranges(data["heads"], n_heads),
        from_ranges(data["neurons"], ffn_width),
        _flag(data["attention"]),
        _flag(data["ffn"]),
        k,
        _flag(data.get("present", True)),  # no such field before drop_layers
    )


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is neither true nor false")
    return value


def _whole(value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(f"{value!r:.40} is no whole number from 1 to {most}")
    return value


def _pick(present: tuple[int, ...], positions: Iterable[int], what: str, layer: int) -> tuple[int, ...]:
    wanted = sorted({int(p) for p in positions})
    if wanted and not 0 <= wanted[0] <= wanted[-1] < len(present):
        raise ValueError(f"layer {layer} has {len(present)} {what}s left; got positions {wanted[0]}..{wanted[-1]}")
    return tuple(present[p] for p in wanted)

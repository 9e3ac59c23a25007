"""Weights as they are stored: floats, 8-bit integers with a scale per row, 4-bit ones with a scale per vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Floats:
    """Floats.

    Attributes:
        values: (rows, columns) float32.
        half: "" or the 16-bit type, "float16" or "bfloat16", that all values fit in, and are stored in.
    """

    values: Array
    half: str = ""

    def expanded(self) -> Array:
        """(rows, columns) float32."""
        return self.values

    def times(self, factor: float) -> Floats:
        """Each value times a number; in 16 bits it need not fit any more."""
        return Floats(self.values * np.float32(factor))

    @property
    def alike(self) -> object:
        """Equal where two can be stacked."""
        return (Floats, self.half)

    @staticmethod
    def stacked(parts: Sequence[Floats]) -> Floats:
        """One above the other."""
        return Floats(np.concatenate([one.values for one in parts]), parts[0].half)


@dataclass(frozen=True, eq=False)
class Bytes:
    """8-bit integers, symmetric: weight = codes * scale of the row.

    Attributes:
        codes: (rows, columns) int8.
        scale: (rows,) float32.
        grid: step and zero point that inputs are rounded to, in uint8; None: as each call's inputs are.
    """

    codes: Array
    scale: Array
    grid: tuple[float, int] | None = None

    def expanded(self) -> Array:
        """(rows, columns) float32."""
        return np.asarray(self.codes * self.scale[:, None], np.float32)

    def times(self, factor: float) -> Bytes:
        """Each value times a number; the integers stay."""
        return replace(self, scale=self.scale * np.float32(factor))

    @property
    def alike(self) -> object:
        """Equal where two can be stacked."""
        return (Bytes, self.grid)

    @staticmethod
    def stacked(parts: Sequence[Bytes]) -> Bytes:
        """One above the other."""
        scale = np.concatenate([one.scale for one in parts])
        return Bytes(np.concatenate([one.codes for one in parts]), scale, parts[0].grid)


@dataclass(frozen=True, eq=False)
class Nibbles:
    """4-bit integers, symmetric: weight = codes * scale of the row's vector.

    Attributes:
        codes: (rows, columns) int8 in -8..7.
        scale: (rows, vectors) float32.
        vector: columns that share a scale; the last vector may be short.
        activation_bits: that inputs are rounded to, with a scale for each token and vector; None: they are not.
    """

    codes: Array
    scale: Array
    vector: int
    activation_bits: int | None = None

    def expanded(self) -> Array:
        """(rows, columns) float32."""
        each = np.repeat(self.scale, self.vector, 1)[:, : self.codes.shape[1]]
        return np.asarray(self.codes * each, np.float32)

    def times(self, factor: float) -> Nibbles:
        """Each value times a number; the integers stay."""
        return replace(self, scale=self.scale * np.float32(factor))

    @property
    def alike(self) -> object:
        """Equal where two can be stacked."""
        return (Nibbles, self.vector, self.activation_bits)

    @staticmethod
    def stacked(parts: Sequence[Nibbles]) -> Nibbles:
        """One above the other."""
        scale = np.concatenate([one.scale for one in parts])
        return replace(parts[0], codes=np.concatenate([one.codes for one in parts]), scale=scale)


Matrix = Floats | Bytes | Nibbles


def to_bytes(matrix: Floats) -> Bytes:
    """Rounded to 8 bits, as the pass ``int8`` does it."""
    import torch

    from axkit.kit import to_int8

    codes, scale = to_int8(torch.from_numpy(matrix.values))
    return Bytes(codes.numpy(), scale.numpy())


@dataclass(frozen=True, eq=False)
class Linear:
    """y = x W^T + b.

    Attributes:
        weight: (outputs, inputs).
        bias: (outputs,) float32, or None.
    """

    weight: Matrix
    bias: Array | None

    def times(self, factor: float) -> Linear:
        """With outputs that are so many times as large."""
        return Linear(self.weight.times(factor), None if self.bias is None else self.bias * np.float32(factor))

    @property
    def offset(self) -> Array:
        """The bias; zeros where there is none."""
        return np.zeros(rows_of(self.weight), np.float32) if self.bias is None else self.bias


def rows_of(matrix: Matrix) -> int:
    """Rows of a matrix."""
    return int((matrix.values if isinstance(matrix, Floats) else matrix.codes).shape[0])


def stacked(parts: Sequence[Linear]) -> Linear | None:
    """Layers of the same input as one, their outputs one behind the other; None where they are stored differently."""
    first = parts[0].weight
    if any(one.weight.alike != first.alike for one in parts):
        return None
    weight = first.stacked([one.weight for one in parts])  # type: ignore[misc]  # all are of the first one's type
    bias = None if all(one.bias is None for one in parts) else np.concatenate([one.offset for one in parts])
    return Linear(weight, bias)


def apart(layer: Linear, count: int) -> tuple[Linear, ...]:
    """The inverse of ``stacked``, for layers of as many outputs each."""
    rows = rows_of(layer.weight) // count
    return tuple(_between(layer, slice(i * rows, (i + 1) * rows)) for i in range(count))


def _between(layer: Linear, rows: slice) -> Linear:
    weight, bias = layer.weight, None if layer.bias is None else layer.bias[rows]
    if isinstance(weight, Floats):
        return Linear(replace(weight, values=weight.values[rows]), bias)
    return Linear(replace(weight, codes=weight.codes[rows], scale=weight.scale[rows]), bias)

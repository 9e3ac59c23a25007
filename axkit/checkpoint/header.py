"""Headers of safetensors files: names, shapes and kinds of numbers, read and checked without loading a weight."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.ground.files import MEGABYTE, open_regular, parse

_LONGEST = 24 * MEGABYTE  # of a header: some 200,000 tensors
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1} | {
    "U64": 8,
    "U32": 4,
    "U16": 2,
}
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})

Header = dict[str, dict[str, Any]]


def read_header(path: Path) -> Header:
    """The header of a safetensors file: tensor name -> dtype, shape, data_offsets. Checks that the file is whole.

    Every byte after the header belongs to exactly one tensor, whose kind and shape make just that many.

    Raises:
        CheckpointError: damaged or truncated, or of numbers that no model has.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
            if length > size - 8:
                raise CheckpointError(f"{path} is truncated or damaged; copy or save it again")
            if length > _LONGEST:
                raise CheckpointError(f"{path} has a header of {length // MEGABYTE} MB; copy or save it again")
            text = file.read(length)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; copy the whole folder") from None
    header = parse(text, path)
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is truncated or damaged; copy or save it again")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(text, str) for text in about.values()):
        raise CheckpointError(f"{path} has damaged metadata; copy or save it again")
    for name, tensor in header.items():
        _check(name, tensor, path)
    _check_offsets((tensor["data_offsets"] for tensor in header.values()), size - 8 - length, path)
    return header


def _check(name: str, tensor: Any, path: Path) -> None:
    damaged = CheckpointError(f"{path}: the header's entry of '{name:.80}' is damaged; copy or save the file again")
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        raise damaged
    kind, shape, offsets = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
    if not isinstance(kind, str) or not _counts(shape) or not _counts(offsets) or len(offsets) != 2 or len(shape) > 8:
        raise damaged
    if kind not in _BYTES:
        raise CheckpointError(
            f"{path}: '{name:.80}' is of kind {kind:.20}, which axkit does not read; save it as float32"
        )
    if math.prod(shape) * _BYTES[kind] != offsets[1] - offsets[0]:
        raise damaged


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(one) is int and 0 <= one < 1 << 48 for one in values)


def _check_offsets(offsets: Iterable[list[int]], size: int, path: Path) -> None:
    end = 0
    for start, stop in sorted(offsets):
        if start != end:
            raise CheckpointError(f"{path}: its weights overlap or leave gaps; copy or save the file again")
        end = stop
    if end != size:
        raise CheckpointError(f"{path} is truncated or damaged; copy or save it again")

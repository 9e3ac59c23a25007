"""The files of a folder, by name and size; none is opened but JSON and the headers of safetensors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.checkpoint.weights import read_headers
from axkit.ground.errors import CheckpointError

_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy"}
_CODE = {".py", ".pyc", ".so", ".dll"}


@dataclass(frozen=True)
class Held:
    """The files of a folder.

    Attributes:
        bytes: of all files.
        pickles: name -> bytes of files that would run code when they are opened; they were not.
        code: names of files that a loader could be made to run; axkit never does.
        stored: kind of number -> bytes of weights, as the headers of the safetensors files say; empty without any.
        values: numbers in them.
        fault: why the weights cannot be read; empty where they can.
    """

    bytes: int
    pickles: Mapping[str, int]
    code: tuple[str, ...]
    stored: Mapping[str, int]
    values: int
    fault: str = ""

    @classmethod
    def of(cls, folder: Path) -> Held:
        """Of a folder."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
        pickles = {_name(path, folder): path.stat().st_size for path in files if path.suffix.lower() in _PICKLES}
        code = tuple(_name(path, folder) for path in files if path.suffix.lower() in _CODE)
        size = sum(path.stat().st_size for path in files)
        try:
            header = read_headers(folder)
        except CheckpointError as error:
            return cls(size, pickles, code, {}, 0, str(error))
        stored: Counter[str] = Counter()
        for tensor in header.values():
            first, end = tensor["data_offsets"]
            stored[str(tensor["dtype"])] += end - first
        return cls(size, pickles, code, dict(stored), sum(math.prod(tensor["shape"]) for tensor in header.values()))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "bytes": self.bytes,
            "pickles": dict(self.pickles),
            "code": list(self.code),
            "stored_bytes": dict(self.stored),
            "values": self.values,
            "fault": self.fault,
        }


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()

"""A training between two steps, on disk: weights, optimizer and randomness in one file that is whole or not there.

safetensors with JSON in its header; nothing is pickled. Learning rates are not kept: they follow from the step.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FILE = "training.safetensors"
DAMAGED = "training.damaged"
_HEADER = "axkit_training"
_MODEL, _OPTIMIZER, _LOSS = "model.", "optimizer.", "loss"


class DamagedError(Exception):
    """What is there is no checkpoint of this training; says why."""


@dataclass(frozen=True)
class Moment:
    """Between two steps.

    Attributes:
        step: steps done.
        epoch: of the next step, from 1; 0 where the training is over.
        seconds: that the steps took.
        loss: sum over steps, float32 scalar.
        tensors: of the model, and of the optimizer where there are steps left.
        by_rank: for each process, what its randomness was at the start of the epoch ("epoch") and is ("now"), and
            numbers that the caller of the training keeps beside the weights ("numbers").
    """

    step: int
    epoch: int
    seconds: float
    loss: Tensor
    tensors: Mapping[str, Tensor]
    by_rank: list[dict[str, Any]]

    def into_model(self, model: Any) -> None:
        """Give a model the weights and buffers."""
        with torch.no_grad():
            for name, tensor in _values(model):
                tensor.copy_(self.tensors[_MODEL + name])

    def into_optimizer(self, optimizer: Any) -> None:
        """Give an optimizer of the same parameters what it had gathered."""
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            if name.startswith(_OPTIMIZER):
                _, index, key = name.split(".", 2)
                states.setdefault(int(index), {})[key] = tensor.clone()  # out of the file's pages
        optimizer.load_state_dict({**optimizer.state_dict(), "state": states})


def tensors_of(model: Any, optimizer: Any = None) -> dict[str, Tensor]:
    """What :class:`Moment` keeps of both."""
    found = {_MODEL + name: tensor.detach() for name, tensor in _values(model)}
    states = optimizer.state_dict()["state"] if optimizer is not None else {}
    for index, state in states.items():
        found |= {f"{_OPTIMIZER}{index}.{key}": value for key, value in state.items() if torch.is_tensor(value)}
    return found


def _values(model: Any) -> Iterable[tuple[str, Tensor]]:
    """Each parameter and buffer once, whatever is tied and whatever a checkpoint of the model leaves out."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def fingerprint(model: Any, *about: Any) -> str:
    """A hash of the weights that a training starts from, and of whatever else decides how it ends."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for part in _parts(dict(_values(model))):
        digest.update(part)
    return digest.hexdigest()


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """Against accidents; a hash that also holds against intent would take most of the time that writing takes."""
    total = 0
    for part in _parts(tensors):
        total = zlib.crc32(part, total)
    return total


def _parts(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    for name, tensor in sorted(tensors.items()):
        yield f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode()
        yield tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def write(moment: Moment, folder: Path, training: str) -> None:
    """Replace a folder's checkpoint, at once or not at all; durable when this returns.

    Args:
        moment: what to keep.
        folder: made where it is missing.
        training: its fingerprint.

    Raises:
        OSError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _alone(tensor) for name, tensor in {**moment.tensors, _LOSS: moment.loss}.items()}
    header = {
        "training": training,
        "crc32": _checksum(tensors),
        "step": moment.step,
        "epoch": moment.epoch,
        "seconds": moment.seconds,
        "by_rank": moment.by_rank,
    }
    partial = folder / f"{FILE}.partial"
    try:
        save_file(tensors, partial, metadata={_HEADER: json.dumps(header)})
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(folder / FILE)
    except SafetensorError as error:  # it wraps the operating system's error
        raise OSError(str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _alone(tensor: Tensor) -> Tensor:
    """On the CPU, in memory that it shares with none: what safetensors takes."""
    here = tensor.detach().cpu().contiguous()
    return here if here.untyped_storage().nbytes() == here.nbytes else here.clone()


def read(folder: Path, training: str) -> Moment | None:
    """A folder's checkpoint; None where there is none.

    Raises:
        DamagedError: it cannot be read, is not what was written, or is of another training.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        same = header["crc32"] == _checksum(tensors)
        moment = Moment(
            header["step"], header["epoch"], header["seconds"], tensors.pop(_LOSS), tensors, header["by_rank"]
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"it cannot be read: {str(error) or type(error).__name__}") from error
    if not same:
        raise DamagedError("its bytes are not those that were written")
    if header["training"] != training:
        raise DamagedError("it is of another training")
    return moment


def randomness() -> dict[str, Any]:
    """The state of every source of random numbers, as JSON."""
    version, words, spare = random.getstate()
    name, keys, *rest = np.random.get_state()
    return {
        "python": [version, list(words), spare],
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state().numpy().tobytes().hex(),
        "cuda": [state.numpy().tobytes().hex() for state in torch.cuda.get_rng_state_all()]
        if torch.cuda.is_available()
        else [],
    }


def set_randomness(state: Mapping[str, Any]) -> None:
    """Go back to what :func:`randomness` gave."""
    version, words, spare = state["python"]
    random.setstate((version, tuple(words), spare))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(_bytes(state["torch"]))
    for index, one in enumerate(state["cuda"]):
        torch.cuda.set_rng_state(_bytes(one), index)


def _bytes(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)

"""A training between two steps, on disk: weights, optimizer and randomness in one file that is whole or not there.

safetensors with JSON in its header; nothing is pickled. Learning rates are not kept: they follow from the step.
"""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from axkit.ground.files import replacing

FILE = "training.safetensors"
DAMAGED = "training.damaged"
_HEADER = "axkit_training"
_MODEL, _OPTIMIZER, _LOSS = "model.", "optimizer.", "loss"


class DamagedError(Exception):
    """What is there is no checkpoint of this training; says why."""


@dataclass(frozen=True)
class Randomness:
    """The state of every source of random numbers, as JSON.

    Attributes:
        python: of ``random``: version, words, spare.
        numpy: of its global generator: name, words, and the rest.
        torch: of its CPU generator, as hexadecimal digits.
        cuda: of each GPU, likewise.
    """

    python: list[Any]
    numpy: list[Any]
    torch: str
    cuda: list[str]

    @classmethod
    def now(cls) -> Randomness:
        """As it is."""
        version, words, spare = random.getstate()
        name, keys, *rest = np.random.get_state()
        gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return cls(
            [version, list(words), spare],
            [name, np.asarray(keys).tolist(), *rest],
            torch.get_rng_state().numpy().tobytes().hex(),
            [state.numpy().tobytes().hex() for state in gpus],
        )

    def set(self) -> None:
        """Go back to it."""
        version, words, spare = self.python
        random.setstate((version, tuple(words), spare))
        np.random.set_state(tuple(self.numpy))
        torch.set_rng_state(_bytes(self.torch))
        for index, one in enumerate(self.cuda):
            torch.cuda.set_rng_state(_bytes(one), index)


@dataclass(frozen=True)
class OfRank:
    """What one process has of its own between two steps.

    Attributes:
        epoch: its randomness at the start of the epoch; None before the first.
        now: its randomness.
        numbers: that the caller of the training keeps beside the weights.
    """

    epoch: Randomness | None
    now: Randomness
    numbers: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OfRank:
        """The inverse of ``to_json``.

        Raises:
            KeyError, TypeError: the data is no such thing.
        """
        epoch = Randomness(**data["epoch"]) if data["epoch"] else None
        return cls(epoch, Randomness(**data["now"]), data["numbers"])


@dataclass(frozen=True)
class Moment:
    """Between two steps.

    Attributes:
        step: steps done.
        epoch: of the next step, from 1; 0 where the training is over.
        seconds: that the steps took.
        loss: sum over steps, float32 scalar.
        tensors: of the model, and of the optimizer where there are steps left.
        by_rank: what each process has of its own.
    """

    step: int
    epoch: int
    seconds: float
    loss: Tensor
    tensors: Mapping[str, Tensor]
    by_rank: list[OfRank]

    def into_model(self, model: nn.Module) -> None:
        """Give a model the weights and buffers."""
        with torch.no_grad():
            for name, tensor in _values(model):
                tensor.copy_(self.tensors[_MODEL + name])

    def into_optimizer(self, optimizer: Optimizer) -> None:
        """Give an optimizer of the same parameters what it had gathered."""
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            if name.startswith(_OPTIMIZER):
                _, index, key = name.split(".", 2)
                states.setdefault(int(index), {})[key] = tensor.clone()  # out of the file's pages
        optimizer.load_state_dict({**optimizer.state_dict(), "state": states})


def tensors_of(model: nn.Module, optimizer: Optimizer | None = None) -> dict[str, Tensor]:
    """What ``Moment`` keeps of both."""
    found = {_MODEL + name: tensor.detach() for name, tensor in _values(model)}
    states = optimizer.state_dict()["state"] if optimizer is not None else {}
    for index, state in states.items():
        found |= {f"{_OPTIMIZER}{index}.{key}": value for key, value in state.items() if torch.is_tensor(value)}
    return found


def _values(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    """Each parameter and buffer once, whatever is tied and whatever a checkpoint of the model leaves out."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def fingerprint(model: nn.Module, *about: object) -> str:
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
        "by_rank": [one.to_json() for one in moment.by_rank],
    }
    try:
        with replacing(folder / FILE, durable=True) as partial:
            save_file(tensors, partial, metadata={_HEADER: json.dumps(header)})
    except SafetensorError as error:  # it wraps the operating system's error
        raise OSError(str(error)) from error


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
        by_rank = [OfRank.from_json(one) for one in header["by_rank"]]
        moment = Moment(header["step"], header["epoch"], header["seconds"], tensors.pop(_LOSS), tensors, by_rank)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"it cannot be read: {str(error) or type(error).__name__}") from error
    if not same:
        raise DamagedError("its bytes are not those that were written")
    if header["training"] != training:
        raise DamagedError("it is of another training")
    return moment


def _bytes(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)

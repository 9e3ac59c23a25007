"""A device without numbers: every operation on tensors of two devices raises, on a machine that has the CPU alone.

torch lets Python pose as a backend of its own ("privateuse"); under FakeTensorMode its tensors have shapes and a device
and no values. The backend is registered for the whole process, so what uses this runs as a script of its own:
``python tests/fake_device.py AREA`` prints a JSON object, case -> "" or what was raised.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils import backend_registration
from torch.utils._pytree import tree_map_only

from axkit.axformer.bench.order import Padded
from axkit.ground.device import Device, device_of

NAME = "faked"
THERE = Device(f"{NAME}:0")
CASES: dict[str, dict] = {}


class _Backend:
    """What torch asks of a backend's module."""

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        pass

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


def register() -> None:
    """Once in a process."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())


class Numberless(FakeTensorMode):
    """FakeTensorMode that takes every real tensor that it meets for one without values, where that is."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map_only(torch.Tensor, self._faked, (args, kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)

    def __deepcopy__(self, memo):
        return self  # a copied tensor is of the same world

    def _faked(self, tensor):
        return tensor if isinstance(tensor, FakeTensor) else self.from_tensor(tensor.detach(), static_shapes=True)


@contextmanager
def numberless() -> Iterator[Numberless]:
    """Where tensors have no values."""
    literal = torch.tensor  # the one function that asks the backend itself for memory

    def made(*args, device=None, **kwargs):
        found = literal(*args, **kwargs)
        return found if device is None else found.to(device)

    with (
        patch.object(torch, "tensor", made),
        patch.object(nn.Module, "_apply", _replaced),
        Numberless(shape_env=ShapeEnv()) as mode,
        torch.no_grad(),
    ):
        yield mode


def _replaced(self, change, recurse=True):
    """As ``nn.Module._apply``, with new tensors in the old ones' places: these cannot be changed into those."""
    for child in self.children():
        child._apply(change)
    for name, old in self._parameters.items():
        if old is not None:
            self._parameters[name] = nn.Parameter(change(old.detach()), old.requires_grad)
    for name, old in self._buffers.items():
        if old is not None:
            self._buffers[name] = change(old)
    return self


def numbed(module) -> nn.Module:
    """The module where it is, without values."""
    return module._apply(torch.clone)


def case(area: str, name: str):
    """Note a function as a case of an area."""

    def note(function):
        CASES.setdefault(area, {})[name] = function
        return function

    return note


def there(module) -> nn.Module:
    """The module on the device, without values."""
    module.to(THERE.name)
    assert device_of(module) == THERE
    return module


def on_it(split, rows=6):
    """Inputs of some rows on the device."""
    return split.batch(range(rows)).on(THERE).inputs


def is_there(output) -> None:
    """The answer must have come from the device."""
    logits = output.logits if hasattr(output, "logits") else output
    assert Device(str(logits.device)) == THERE, f"the answer is on {logits.device}"


def places(kept, batch):
    """As ``HiddenStates.places``, by the rows' lengths: whoever has no values cannot see where a mask is."""
    with unset_fake_temporarily():
        lengths, starts = kept._lengths[batch.rows], kept._starts[batch.rows]
        width = 1 if kept._first_only else int(lengths.max())
        columns = np.arange(width)
        where = np.where(columns < lengths[:, None], starts[:, None] + columns, 0)
        return torch.from_numpy(where)


def laid_out(self, split, device):
    """As ``Padded.__init__``, which looks at a mask."""
    with unset_fake_temporarily():
        _lay_out(self, split)
    self._device = device
    self._inputs = {name: values.to(device.name) for name, values in self._inputs.items()}


_lay_out = Padded.__init__


def main(area: str) -> None:
    """Run the cases of an area."""
    register()
    import fake_device_cases  # noqa: F401  # they note themselves

    found = {}
    for name, function in sys.modules["fake_device"].CASES[area].items():
        try:
            function()
            found[name] = ""
        except Exception as error:  # noqa: BLE001 - it is told, case by case
            lines = traceback.format_exception(error)
            ours = [line for line in lines if "axkit" in line or "fake_device_cases" in line]
            found[name] = f"{type(error).__name__}: {str(error)[:300]} {''.join(ours[-2:])}"
    print(json.dumps(found))


if __name__ == "__main__":
    from fake_device import main as run  # not as __main__: cases are noted there

    run(sys.argv[1])

"""Where models compute: one device of torch, what it can do, and what it says when its memory is full.

Nothing here imports torch until a device is asked for. A model rests on the CPU; whoever computes with it lends it a
device for a while (``Device.holding``), and data follows the model (``device_of``, ``moved``).
"""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from axkit.ground import cpu
from axkit.ground.errors import DeviceError, MemoryFullError, shown

AUTO = "auto"
CHOICE = "auto, cpu, cuda or cuda:N"
_NAME = re.compile(r"[a-z][a-z0-9_]*(:\d{1,3})?")
_BFLOAT16_SINCE, _FLOAT16_SINCE = (8, 0), (7, 0)  # compute capabilities whose tensor cores multiply in it
_NO_MEMORY = ("can't allocate memory", "not enough memory")  # the CPU allocator's words; it has no error of its own
_TAKEN = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")  # where another program has a GPU's memory


@dataclass(frozen=True)
class Device:
    """One device, by the name that torch gives it; ``of`` makes it of what a person wrote.

    Attributes:
        name: ``cpu``, ``cuda:0``, or that of another backend.
    """

    name: str = "cpu"

    @classmethod
    def of(cls, text: str = AUTO) -> Device:
        """The device that a person named, checked to be there; ``auto`` is a GPU where every process can have one.

        Raises:
            DeviceError: no such device here; the sentence has the way out.
        """
        if text == "cpu":
            return cls()
        if text == AUTO:
            return _found()
        if not _NAME.fullmatch(text):
            raise DeviceError(f"'{shown(text)}' is no device; give {CHOICE}")
        kind, _, index = text.partition(":")
        return _cuda(index) if kind == "cuda" else _other(text, kind)

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` and so on, without the number."""
        return self.name.partition(":")[0]

    @property
    def is_cpu(self) -> bool:
        """True where nothing has to be moved, and nothing waited for."""
        return self.kind == "cpu"

    @property
    def title(self) -> str:
        """What it is sold as, for reports and for what depends on the machine; of a CPU only that."""
        import torch

        return str(torch.cuda.get_device_name(self.name)) if self.kind == "cuda" else self.kind

    @property
    def has_bfloat16(self) -> bool:
        """True where products in bfloat16 run in its hardware; emulation is none."""
        if self.is_cpu:
            return cpu.has_bfloat16()
        return not cpu.bfloat16_is_off() and self._multiplies_since(_BFLOAT16_SINCE)

    @property
    def half(self) -> str | None:
        """The 16-bit type that its products are quicker in, ``bfloat16`` or ``float16``; None where there is none."""
        if self.has_bfloat16:
            return "bfloat16"
        return "float16" if not self.is_cpu and self._multiplies_since(_FLOAT16_SINCE) else None

    def autocast(self, wanted: bool = True) -> Any:
        """A context in which products are computed in ``half``; none where it has none, or nobody wants it."""
        import torch

        half = self.half if wanted else None
        if half is None and not self.is_cpu:  # not every backend has an autocast
            return ExitStack()
        return torch.autocast(self.kind, getattr(torch, half or "bfloat16"), enabled=half is not None)

    def wait(self) -> None:
        """Until all that was asked of it is done."""
        if self.is_cpu:
            return
        synchronize = getattr(_module(self.kind), "synchronize", None)
        if synchronize is not None:
            synchronize(self.name)

    def free_bytes(self) -> int:
        """Of its own memory, what can still be taken; 0 for a CPU and where nobody tells."""
        import torch

        if self.kind != "cuda":
            return 0
        unused = torch.cuda.memory_reserved(self.name) - torch.cuda.memory_allocated(self.name)
        return int(torch.cuda.mem_get_info(self.name)[0]) + unused

    def peak_bytes(self) -> int:
        """The most of its own memory that tensors of this process have had; 0 for a CPU and where nobody tells."""
        import torch

        return int(torch.cuda.max_memory_allocated(self.name)) if self.kind == "cuda" else 0

    @contextmanager
    def holding(self, *modules: Any) -> Iterator[None]:
        """These torch modules on the device, for a while; afterwards each is where it was."""
        before = [device_of(module) for module in modules]
        try:
            for module, where in zip(modules, before, strict=True):
                if where != self:
                    moved_all(module, self)
            with self._quiet():
                yield
        finally:
            for module, where in zip(modules, before, strict=True):
                if where != self:
                    moved_all(module, where)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Without what torch says of a thread of its own that computes gradients: it helps itself."""
        if self.is_cpu:
            yield
            return
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*there was no current CUDA context", category=UserWarning)
            yield

    def _multiplies_since(self, capability: tuple[int, int]) -> bool:
        import torch

        if self.kind != "cuda":
            return False
        return torch.version.hip is not None or torch.cuda.get_device_capability(self.name) >= capability


CPU = Device()


@contextmanager
def exact_floats(device: Device) -> Iterator[None]:
    """float32 is computed in float32 while the block runs: a GPU may otherwise take TF32, with 10 bits."""
    import torch

    if device.kind != "cuda":
        yield
        return
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    matmul.allow_tf32 = convolution.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before


@contextmanager
def enough_memory(device: Device, way: str) -> Iterator[None]:
    """Turn a memory that is full into a sentence.

    Args:
        device: that is computed with.
        way: out of it, as half a sentence ("give a smaller batch_size").

    Raises:
        MemoryFullError: what runs in the block took more than there is.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        _release(device.kind)
        raise MemoryFullError(f"the memory of {device.name} ({device.title}) is full: {way}") from error
    except RuntimeError as error:
        if any(words in str(error) for words in _NO_MEMORY):
            raise MemoryFullError(f"the memory of this machine is full: {way}") from error
        if not device.is_cpu and any(words in str(error) for words in _TAKEN):
            raise MemoryFullError(
                f"the memory of {device.name} ({device.title}) is full, perhaps by another program: {way}"
            ) from error
        raise


def device_of(module: Any) -> Device:
    """Where a model is: its first parameter or buffer; what has none computes on the CPU."""
    for tensors in (getattr(module, "parameters", None), getattr(module, "buffers", None)):
        for tensor in tensors() if tensors is not None else ():
            return Device(str(tensor.device))
    return CPU


def moved(inputs: Mapping[str, Any], device: Device) -> dict[str, Any]:
    """Inputs or outputs of a model, by name, on a device; what is there already is not copied."""
    return {name: value.to(device.name) if hasattr(value, "to") else value for name, value in inputs.items()}


def at_rest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors by name on the CPU; what is there already is not copied."""
    return {name: value.cpu() if hasattr(value, "cpu") else value for name, value in values.items()}


def moved_all(module: Any, device: Device) -> Any:
    """The same torch module, moved with all that it holds.

    ``Module.to`` of a whole moves parameters and buffers. It calls no ``to`` that a part defines for what else it has,
    and leaves behind what hangs on a parameter: bitsandbytes' modules have their scales there.
    """
    import torch

    hanging = [
        (name, key, value)
        for name, parameter in module.named_parameters()
        for key, value in vars(parameter).items()
        if isinstance(value, torch.Tensor)
    ]
    module.to(device.name)
    for name, key, value in hanging:
        setattr(module.get_parameter(name), key, value.to(device.name))
    for part in module.modules():
        if type(part).to is not torch.nn.Module.to:
            part.to(device.name)
    return module


def copied_to(device: Device, module: Any) -> Any:
    """A torch module on a device: itself where it is there, else a copy, so that whoever computes with it keeps it."""
    return module if device_of(module) == device else moved_all(copy.deepcopy(module), device)


def _found() -> Device:
    """A GPU where every process can have one that computes; else the CPU, with a warning where one is there in vain."""
    if _gpus() < _local_processes():
        return CPU
    wanted = Device(f"cuda:{_local_rank()}")
    fault = _fault(wanted.name)
    if fault:
        warnings.warn(f"{wanted.name} is there, and fails ({fault}): the CPU computes", stacklevel=3)
    return CPU if fault else wanted


@cache
def _fault(name: str) -> str:
    """What torch says of a small product on a GPU: nothing else tells of one that this build has no kernels for."""
    import torch

    try:
        one = torch.ones(8, 8, device=name)
        torch.mm(one, one).sum().item()
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    return ""


def _cuda(index: str) -> Device:
    import torch

    found, number = _gpus(), int(index) if index else _local_rank()
    if not found:
        raise DeviceError(f"there is no GPU here that torch {torch.__version__} can use; give --device cpu")
    if index and _local_processes() > 1:
        raise DeviceError("each of several processes takes a GPU of its own; give --device cuda, without a number")
    if number >= found:
        here = f"{found} GPU{'s' * (found > 1)} here"
        if index:
            raise DeviceError(f"there is no cuda:{index}, only {here}, counted from 0; give {CHOICE}")
        raise DeviceError(f"{_local_processes()} processes and {here}; start {found}, or give --device cpu")
    if fault := _fault(f"cuda:{number}"):
        raise DeviceError(f"cuda:{number} ({torch.cuda.get_device_name(number)}) fails ({fault}); give --device cpu")
    return Device(f"cuda:{number}")


def _other(text: str, kind: str) -> Device:
    """A backend that torch knows by name."""
    import torch

    try:
        named = torch.device(text)
        there = getattr(_module(kind), "is_available", bool)()
    except (RuntimeError, AttributeError):
        there = False
    if not there:
        raise DeviceError(f"torch {torch.__version__} has no device '{text}' here; give {CHOICE}")
    return Device(f"{kind}:{named.index or 0}")


def _module(kind: str) -> Any:
    import torch

    return torch.get_device_module(kind)


def _release(kind: str) -> None:
    """Give back what the allocator holds, so that what comes next is not refused for it."""
    empty = getattr(_module(kind), "empty_cache", None) if kind != "cpu" else None
    if empty is not None:
        empty()


def gpu_names() -> list[str]:
    """What the GPUs that torch can use here are sold as."""
    import torch

    return [str(torch.cuda.get_device_name(index)) for index in range(_gpus())]


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK") or 0)


def _local_processes() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1)

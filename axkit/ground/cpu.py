"""What the processor at hand can do."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from typing import Any

from axkit.ground.processor import WRITTEN_FOR, instructions, maker, told
from axkit.ground.quota import fewer_threads

_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86, Arm
_PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")  # of OpenMP, GNU's and LLVM's
_SPINS, _SPINS_OF = "6000", {"AuthenticAMD": "3000"}  # GNU's own is 300,000, passive 0 (decision 44: what each costs)
_CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # the newest instructions that oneDNN may use
_OFF = "AXKIT_BFLOAT16"  # "0": nothing is computed in bfloat16 of axkit's own accord, whatever the processor can do


def before_torch() -> None:
    """Set what torch's libraries read when they are loaded; nothing, where that is over, or where somebody chose it.

    Threads: no more than the container's quota. Waiting: a thread that has nothing to do spins for a tenth of a
    millisecond or three, as long as it is from one product of a model to the next, and then sleeps. Where another
    program has one of two cores, a thread that spins takes the time that the one it waits for would need; one that
    sleeps at once is woken for each product.
    """
    if "torch" in sys.modules:
        return
    keep_primitives()
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "passive"  # of LLVM's; GNU's goes by the number of spins first
        os.environ["GOMP_SPINCOUNT"] = _SPINS_OF.get(maker(told()), _SPINS)
    threads = fewer_threads()
    if threads is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def keep_primitives() -> None:
    """Let oneDNN keep its primitives; in effect where torch is imported after it.

    It makes one for every shape that it multiplies, in some 0.4 ms, and keeps 1,024. A search goes on asking for a few
    thousand: a fourteenth of its time went into making them anew. Whoever has set the number himself keeps it.
    """
    os.environ.setdefault(_PRIMITIVES, "16384")


def bfloat16_is_off() -> bool:
    """True with ``AXKIT_BFLOAT16=0`` in the environment, whatever the hardware can do."""
    return os.environ.get(_OFF) == "0"


def has_bfloat16() -> bool:
    """True where the processor multiplies in bfloat16 in hardware; never with ``AXKIT_BFLOAT16=0`` in the environment.

    Of another device than the processor ``axkit.ground.device.Device.has_bfloat16`` tells.
    """
    import torch

    if bfloat16_is_off():
        return False
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()) and onednn_takes_bfloat16()


def onednn_takes_bfloat16() -> bool:
    """True where oneDNN multiplies in bfloat16, in hardware or not; it can be kept from newer instructions."""
    import torch

    return bool(torch._C._has_mkldnn) and bool(getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)())


def expects_bfloat16() -> bool | None:
    """``has_bfloat16`` foretold without torch, for plans; None where the processor's own list does not tell all."""
    if bfloat16_is_off():
        return False
    if any(name in os.environ for name in _CAPS):
        return None
    flags = instructions(told())
    return bool(_BFLOAT16 & set(flags)) if flags else None


def machine_key(processes: int = 1, device: str = "cpu") -> str:
    """Of what changes the last bits of a result without being part of the job: threads, processes, kernels, device.

    torch, oneDNN and MKL choose their kernels by the processor's instructions, and cut work up by the threads.

    Args:
        processes: of the run.
        device: what it computes on (``Device.title``): the kind of GPU, not which of several alike.
    """
    import torch

    found: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "processes": processes,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": has_bfloat16(),
        "onednn": torch.backends.mkldnn.enabled,
        "float32": torch.get_float32_matmul_precision(),
        "device": device,
        "processor": _kernels(),
        "settings": {name: os.environ[name] for name in sorted(os.environ) if _chooses_kernels(name)},
    }
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:8]


def _kernels() -> list[str]:
    """The maker of the processor, and those of its instructions that kernels are written for."""
    found = told()
    if not found:
        return [platform.machine(), platform.processor()]
    kernels = sorted(flag for flag in instructions(found) if flag.startswith(WRITTEN_FOR))
    return [platform.machine(), maker(found), *kernels]


def _chooses_kernels(name: str) -> bool:
    return name.startswith(("ONEDNN_", "DNNL_", "MKL_", "ATEN_")) and not name.endswith(
        ("CAPACITY", "VERBOSE", "NUM_THREADS")
    )

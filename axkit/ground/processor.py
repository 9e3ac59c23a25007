"""Which processor this is: its name, and the instructions that kernels are written for. Imports no torch."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
WRITTEN_FOR = ("avx", "amx", "fma", "f16c", "sse4", "asimd", "sve", "sme", "bf16", "i8mm")
_PAIRS_IN_32_BITS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # x86, x86, x86, Arm, Arm


@dataclass(frozen=True)
class Processor:
    """A processor.

    Attributes:
        name: what it is sold as, or its architecture where nobody says.
        flags: those of its instructions that kernels are written for, sorted; empty where nobody says.
    """

    name: str
    flags: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> Processor:
        """That of this machine; read anew at each call."""
        found = told()
        flags = instructions(found)
        name = found.get("model name") or platform.processor() or platform.machine()
        return cls(name, tuple(sorted(flag for flag in flags if flag.startswith(WRITTEN_FOR) and flag != "smep")))

    @property
    def sums_in_32_bits(self) -> bool | None:
        """Whether it adds products of bytes up in 32 bits, as VNNI, AMX and Arm's dot products do.

        Without, x86 kernels add pairs of unsigned and signed bytes up in 16 bits (``vpmaddubsw``), which saturates.
        None where nobody says.
        """
        return any(flag in self.flags for flag in _PAIRS_IN_32_BITS) if self.flags else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"processor": self.name, "flags": list(self.flags)}


def told() -> Mapping[str, str]:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def instructions(found: Mapping[str, str]) -> list[str]:
    """Those that a processor has, of what ``told`` gave; empty where nobody says."""
    return found.get("flags", found.get("features", "")).split()


def maker(found: Mapping[str, str]) -> str:
    """Whose processor it is, likewise: a name on x86, a number on Arm."""
    return found.get("vendor_id", found.get("cpu implementer", ""))

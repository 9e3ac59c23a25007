"""What was measured on this kind of machine (processor, torch, threads), kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from axkit.ground.cache import cache_folder
from axkit.ground.errors import CheckpointError
from axkit.ground.files import read_object, replacing
from axkit.ground.processor import Processor

# the newest instructions that oneDNN may use, and how threads wait for each other
_DECIDE = ("ONEDNN_MAX", "DNNL_MAX", "OMP_WAIT", "GOMP_SPIN", "KMP_BLOCK", "KMP_LIB")


class Remembered:
    """Measured times by name, for this kind of machine.

    A file that cannot be read counts as none, one that cannot be written is kept in memory: what is lost is measured
    again. Several processes may write it; each adds what it knows to what is there.

    Args:
        name: of what is remembered; begins the file's name.
        threads: that were computed with.
    """

    def __init__(self, name: str, threads: int) -> None:
        import torch

        here = Processor.here()
        settings = {key: os.environ[key] for key in sorted(os.environ) if key.startswith(_DECIDE)}
        self.machine: dict[str, Any] = {
            **here.to_json(),
            "system": platform.machine(),
            "torch": torch.__version__,
            "threads": threads,
            **({"settings": settings} if settings else {}),
        }
        key = hashlib.sha256(json.dumps(self.machine, sort_keys=True).encode()).hexdigest()[:12]
        self.path = cache_folder() / f"{name}-{key}.json"
        self._times: dict[str, dict[str, float]] | None = None  # until the file was read

    def get(self, what: str) -> Mapping[str, float]:
        """Seconds by candidate; empty where nothing was measured."""
        if self._times is None:
            self._times = _read(self.path)
        return self._times.get(what, {})

    def put(self, what: str, times: Mapping[str, float], lasting: bool = True) -> None:
        """Keep what was measured.

        Args:
            what: was measured.
            times: seconds by candidate.
            lasting: for other processes too; False: for this object alone, as it was measured on a busy machine.
        """
        known = _read(self.path) if self._times is None else self._times
        self._times = {**known, what: dict(times)}
        if not lasting:
            return
        kept = {**_read(self.path), what: dict(times)}
        text = json.dumps({"machine": self.machine, "seconds": kept}, indent=1)
        with suppress(OSError):  # a disk that is full or not ours costs the file, not the work
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path, shared=True) as partial:
                partial.write_text(text, encoding="utf-8")


def _read(path: Path) -> dict[str, dict[str, float]]:
    """What a file says; nothing of one that is damaged, or of something else."""
    try:
        found = read_object(path)["seconds"]
        return {str(what): {str(k): float(v) for k, v in times.items()} for what, times in found.items()}
    except (CheckpointError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}

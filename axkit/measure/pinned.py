"""A number of threads, and as many cores, for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from axkit.ground.errors import AxkitError


@contextmanager
def pinned(threads: int | None) -> Iterator[bool]:
    """Compute with so many threads on as many cores while the block runs; what is loaded there finds the same.

    Args:
        threads: None: as it is, on whichever cores.

    Yields:
        Whether the process is held to cores; not every system can.

    Raises:
        AxkitError: there are fewer cores.
    """
    import torch

    if threads is None:
        yield False
        return
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    most = len(cores) or os.cpu_count() or 1
    if threads > most:
        raise AxkitError(f"--threads {threads} is more than the {most} cores that this process may use; give fewer")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    _hold_to(cores[:threads])
    try:
        yield bool(cores)
    finally:
        torch.set_num_threads(before)
        _hold_to(cores)


def _hold_to(cores: Sequence[int]) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)

"""What this process may use: processors that it is bound to, memory of the machine, no more than its container has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_PARTS = ("cpu,cpuacct", "cpu")  # where version 1 has its files, below the mount
_MEMORY = "memory"  # likewise


def processors() -> int:
    """Those that the scheduler gives this process."""
    bound = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(bound(0)) if bound is not None else os.cpu_count() or 1


def quota(groups: Path = _GROUPS, own: Path = _OWN) -> float | None:
    """Processors' worth of time that the control groups of this process allow; None where there is no limit.

    Args:
        groups: where control groups are mounted, version 2 or 1.
        own: which ones this process is in.
    """
    found = [share for share in _shares(groups, own) if share is not None]
    return min(found, default=None)


def fewer_threads(groups: Path = _GROUPS, own: Path = _OWN) -> int | None:
    """Threads to compute with where the quota has fewer processors than this process is bound to; else None.

    A thread more than there is time for makes all others wait for it at every product; a quarter of a processor that is
    lacking for one more is let pass.
    """
    limit = quota(groups, own)
    if limit is None or limit >= processors():
        return None
    return max(1, int(limit + 0.25))


def usable() -> int:
    """Processors that this process may use, at least one."""
    return fewer_threads() or processors()


def memory_bytes(groups: Path = _GROUPS, own: Path = _OWN) -> int | None:
    """Memory that this process may have, of its machine and its control groups; None where nobody tells.

    Args:
        groups: as of ``quota``.
        own: likewise.
    """
    found = [limit for limit in (_physical(), *_limits(groups, own)) if limit is not None]
    return min(found, default=None)


def _physical() -> int | None:
    ask: Callable[[str], int] | None = getattr(os, "sysconf", None)  # Windows has no such call
    try:
        return None if ask is None else ask("SC_PHYS_PAGES") * ask("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _limits(groups: Path, own: Path) -> Iterator[int | None]:
    """Bytes that each group from this process's own up to the outermost allows; without a limit it is a word, or more
    than any machine has."""
    for controllers, place in _places(own):
        if controllers and _MEMORY not in controllers.split(","):
            continue
        mount, file = (groups / _MEMORY, "memory.limit_in_bytes") if controllers else (groups, "memory.max")
        for folder in _up(mount, place):
            words = _words(folder / file)
            yield int(words[0]) if words and words[0].isdecimal() else None


def _shares(groups: Path, own: Path) -> Iterator[float | None]:
    """What each group from this process's own up to the outermost allows."""
    for controllers, place in _places(own):
        if not controllers:  # version 2
            for folder in _up(groups, place):
                yield _of_two(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for part in _PARTS:
                for folder in _up(groups / part, place):
                    yield _of_one(folder)


def _places(own: Path) -> list[tuple[str, str]]:
    """(controllers, path of the group) of each hierarchy; none where the system has no such thing."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(part[1], part[2]) for part in parts if len(part) == 3]


def _up(mount: Path, place: str) -> Iterator[Path]:
    """A group's folder and those around it; in a container some of them may not be seen, but the mount is."""
    folder = mount / place.lstrip("/")
    yield folder
    while folder != mount and mount in folder.parents:
        folder = folder.parent
        yield folder


def _of_two(file: Path) -> float | None:
    """Of ``cpu.max``: "quota period", or "max period"."""
    words = _words(file)
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _of_one(folder: Path) -> float | None:
    quotas, periods = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return _ratio(quotas[0], periods[0]) if quotas and periods else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _ratio(share: str, period: str) -> float | None:
    """None for "max", for -1, and for what is no number."""
    if not (share.isdecimal() and period.isdecimal() and int(period)):
        return None
    return int(share) / int(period) or None

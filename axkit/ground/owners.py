"""Who writes what: locks that the operating system gives back, and names that say which process a leftover is of."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from axkit.ground.progress import Progress

_IDLE_S = 86400.0  # after which what a process of another machine was writing counts as left
_PARTS = ("partial", "old")
_held: set[tuple[str, int]] = set()  # (lock, thread)


@contextmanager
def alone(lock: Path, what: str, progress: Progress) -> Iterator[None]:
    """Hold a lock; wait for whoever holds it, and say who that is. Who holds it already goes on.

    Args:
        lock: a file, made where it is not there; it stays.
        what: is made under the lock, for the line.
        progress: told while another holds it, and where the file system has no locks.
    """
    me = str(lock.resolve()), threading.get_ident()
    if me in _held:
        yield
        return
    found, holder = FileLock(lock), lock.with_name(f"{lock.name}.holder")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        if not _acquired(found):
            progress.say(f"Waiting for {what}, which {_told(holder)} makes")
            found.acquire(poll_interval=0.2)
    except (OSError, NotImplementedError) as error:
        progress.say(f"{lock.parent} has no locks ({error}); let no other run use it meanwhile")
        yield
        return
    _held.add(me)
    try:
        with suppress(OSError):  # only for the line that others say
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}), "utf-8")
        yield
    finally:
        _held.discard(me)
        holder.unlink(missing_ok=True)
        found.release()


@contextmanager
def if_free(lock: Path) -> Iterator[bool]:
    """Whether nobody holds a lock; while the block runs nobody can take it."""
    if not lock.exists():
        yield True
        return
    found = FileLock(lock)
    try:
        free = _acquired(found)
    except (OSError, NotImplementedError):
        free = True
    try:
        yield free
    finally:
        found.release()


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _told(holder: Path) -> str:
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} (since {found['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"


def own(target: Path, part: str) -> Path:
    """A name beside ``target`` for what this process is writing: ``part`` is "partial" or "old"."""
    return target.with_name(f".{target.name}.{part}-{_host()}-{os.getpid()}-{_started(os.getpid())}")


def left_by_the_dead(target: Path, part: str) -> list[Path]:
    """What processes that are gone were writing beside ``target``."""
    start = f".{target.name}.{part}-"
    try:
        beside = sorted(target.parent.iterdir())
    except OSError:
        return []
    return [path for path in beside if path.name.startswith(start) and _is_left(path, path.name[len(start) :])]


def sweep_out(folder: Path) -> None:
    """Remove what processes that are gone left half-written in a folder, whatever its target."""
    for path in folder.iterdir() if folder.is_dir() else ():
        for part in _PARTS:
            name, found, owner = path.name.partition(f".{part}-")
            target = folder / name.removeprefix(".")
            if not found or not name.startswith(".") or not _is_left(path, owner):
                continue
            if part == "old" and not target.exists():  # it died between two renames: the old one is the result
                path.rename(target)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _is_left(path: Path, owner: str) -> bool:
    parts = owner.split("-")
    if len(parts) == 3 and parts[0] == _host() and parts[1].isdigit():
        return not parts[2] or _started(int(parts[1])) != parts[2]
    try:  # of another machine, or of an axkit that gave other names
        return time.time() - path.stat().st_mtime > _IDLE_S
    except OSError:
        return False


@cache
def _host() -> str:
    """This machine, or this container: where process ids mean the same."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _started(pid: int) -> str:
    """When a process started, in a form to compare; empty where there is none of that id."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
        return hashlib.sha256(f"{boot} {stat.rpartition(')')[2].split()[19]}".encode()).hexdigest()[:8]
    except (OSError, IndexError):
        return "alive" if not Path("/proc/self/stat").exists() and _answers(pid) else ""


def _answers(pid: int) -> bool:
    """Whether a process is there, where there is no /proc to tell more; on Windows each counts as there."""
    if sys.platform == "win32":  # where 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

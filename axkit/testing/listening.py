"""What a block of code reaches for outside itself, as Python's audit events tell it: network, files, processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LOCAL = ("localhost", "127.0.0.1", "::1", "")


@dataclass
class Heard:
    """What was reached for.

    Attributes:
        network: hosts; none was let through.
        written: files and folders that were opened for writing, made or renamed to.
        removed: files and folders.
        started: programs.
    """

    network: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    def left(self) -> list[Path]:
        """What was written and is there still."""
        return [path for path in dict.fromkeys(self.written) if path.exists()]


_listeners: list[Heard] = []


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear what the block reaches for; a connection to another machine is refused with ConnectionError."""
    _install()
    heard = Heard()
    _listeners.append(heard)
    try:
        yield heard
    finally:
        _listeners.remove(heard)


@cache
def _install() -> None:
    """Once: an audit hook cannot be taken off. Without a listener it does nothing."""
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    told = _EVENTS.get(event) if _listeners else None
    if told is not None:
        for heard in _listeners:
            told(heard, *args)


def _connected(heard: Heard, _: Any, address: Any) -> None:
    if isinstance(address, tuple):
        _looked_up(heard, address[0])


def _looked_up(heard: Heard, host: Any, *_: Any) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if name not in _LOCAL:
        heard.network.append(name)
        raise ConnectionError(f"there is no network here; {name} was asked for")


def _opened(heard: Heard, path: Any, mode: Any, flags: Any) -> None:
    if isinstance(path, str | bytes | os.PathLike) and isinstance(flags, int) and flags & _WRITING:
        _wrote(heard, path)


def _wrote(heard: Heard, path: Any, *_: Any) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        heard.written.append(Path(os.path.abspath(os.fsdecode(path))))


def _made(heard: Heard, path: Any, *_: Any) -> None:
    if isinstance(path, str | bytes | os.PathLike) and not os.path.lexists(path):
        _wrote(heard, path)


def _renamed(heard: Heard, source: Any, target: Any, *_: Any) -> None:
    _wrote(heard, target)


def _removed(heard: Heard, path: Any, *_: Any) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        heard.removed.append(Path(os.path.abspath(os.fsdecode(path))))


def _started(heard: Heard, program: Any, *_: Any) -> None:
    heard.started.append(str(program))


_EVENTS: dict[str, Any] = {
    "open": _opened,
    "os.mkdir": _made,
    "os.rename": _renamed,
    "os.link": _renamed,
    "os.symlink": _renamed,
    "os.remove": _removed,
    "os.rmdir": _removed,
    "os.system": _started,
    "socket.connect": _connected,
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _looked_up,
    "subprocess.Popen": _started,
}

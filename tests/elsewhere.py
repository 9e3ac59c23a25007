"""Run by itself: axkit as it finds another system: what that lacks is gone, for axkit's own code alone.

``python tests/elsewhere.py win32 COMMAND...``: torch and the others see the system that is there. A path has the form
of this system's, too; what a path may not hold elsewhere is not seen.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import importlib
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from types import ModuleType
from typing import Any

_REAL = builtins.__import__
_OF_LINUX = {
    "os": {"memfd_create", "posix_fadvise", "posix_fallocate", "sched_getaffinity", "sched_setaffinity"},
    "select": {"epoll"},
    "signal": {"sigtimedwait", "sigwaitinfo"},
}
_OF_UNIX = {
    "os": {
        "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "WNOHANG", "chown", "fchown", "fork", "forkpty",
        "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "getxattr", "killpg", "mkfifo", "nice",
        "pathconf", "pread", "pwrite", "register_at_fork", "sched_yield", "sendfile", "setsid", "setxattr", "statvfs",
        "sysconf", "uname",
    },
    "select": {"poll"},
    "signal": {
        "ITIMER_REAL", "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP",
        "SIGUSR1", "SIGUSR2", "alarm", "getitimer", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait",
    },
    "socket": {"AF_UNIX", "socketpair"},
    "time": {"clock_gettime", "CLOCK_MONOTONIC"},
}  # fmt: skip
_MODULES = {"fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
_FILES = ("/proc/cpuinfo", "/proc/mounts", "/proc/self/cgroup", "/proc/self/status")


class Standin(ModuleType):
    """A module without some of its names, and with others of its own."""

    def __init__(self, real: ModuleType, gone: set[str], own: dict[str, Any]) -> None:
        super().__init__(real.__name__)
        vars(self)["_told"] = real, gone, own

    def __getattr__(self, name: str) -> Any:
        real, gone, own = vars(self)["_told"]
        if name in gone:
            raise AttributeError(f"module {real.__name__!r} has no attribute {name!r}")
        return own[name] if name in own else getattr(real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_told"][0], name, value)


def no_folder(path: Any, flags: int, mode: int = 0o777) -> int:
    """``os.open`` of Windows."""
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return os.open(path, flags, mode)


def only_written(number: int) -> None:
    """``os.fsync`` of Windows."""
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    os.fsync(number)


def no_kill(pid: int, number: int) -> None:
    """``os.kill`` of Windows ends the process, or tells it Ctrl-C."""
    raise AssertionError(f"os.kill({pid}, {number})")


def as_on(platform: str) -> None:
    """From now on, for modules of axkit; none of them is imported yet."""
    windows = platform == "win32"
    own = {"os": {"name": "nt", "open": no_folder, "fsync": only_written, "kill": no_kill}} if windows else {}
    there: dict[str, ModuleType] = {"sys": Standin(sys, set(), {"platform": platform})}
    for real in (os, select, signal, socket, time):
        name = real.__name__
        gone = _OF_LINUX.get(name, set()) | (_OF_UNIX.get(name, set()) if windows else set())
        there[name] = Standin(real, gone, own.get(name, {}))

    def found(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        whose = str((globals or {}).get("__name__", "")).partition(".")[0]
        if whose in ("axkit", "axkit_plugins") and level == 0:
            if windows and name in _MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in there or (name == "os.path" and not fromlist):
                return there[name.partition(".")[0]]
        return _REAL(name, globals, locals, fromlist, level)

    def no_file(event: str, told: tuple[Any, ...]) -> None:
        if event == "open" and str(told[0]).startswith(_FILES):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), told[0])

    builtins.__import__ = found
    sys.addaudithook(no_file)


def lacking() -> list[str]:
    """What is gone, as a module of axkit finds it: that this script does what it says."""
    told = []
    asked = ("import resource", "import os; os.sched_getaffinity", "import signal; signal.SIGHUP")
    for code in (*asked, "import sys; assert sys.platform == 'linux'", "from os import fork"):
        try:
            exec(code, {"__name__": "axkit.planted"})
        except (ImportError, AttributeError, AssertionError):
            told.append(code)
    return told


def main(platform: str, *commands: str) -> None:
    for name in ("torch", "transformers", "datasets", "matplotlib"):
        importlib.import_module(name)
    as_on(platform)
    print("gone:", lacking())
    names = [one for room in ("axkit", "axkit_plugins") for one in modules(room)]
    print("modules:", len(names))
    from axkit.cli.app import main as axkit

    for command in commands:
        sys.argv = ["axkit", *command.split()]
        try:
            axkit()
        except SystemExit as done:
            print(f"{command}: {done.code or 0}")
        else:
            print(f"{command}: 0")


def modules(room: str) -> list[str]:
    """All below a package, imported; but what runs when it is imported."""
    below = pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}.")
    names = [one.name for one in below if not one.name.endswith("__main__") and ".predict." not in one.name]
    for name in names:
        importlib.import_module(name)
    return names


if __name__ == "__main__":
    main(*sys.argv[1:])

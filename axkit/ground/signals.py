"""What a person or the system says to end a command: Ctrl-C, SIGTERM, a terminal that is gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_TOGETHER_S = 1.0  # a launcher that is stopped tells its processes once more, in its own way
_HEARD = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """The first signal; whatever is being done is left where it is.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


def code_of(error: BaseException | None) -> int:
    """The exit code for an interrupt: 128 and the signal's number; 130 where that is unknown, as of Ctrl-C."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


@contextmanager
def listening() -> Iterator[None]:
    """Raise ``Stopped`` at the first signal; a second one ends the process at once.

    What is ignored stays so (nohup, jobs of a shell in the background). Elsewhere than in the main thread nothing can
    be heard, and nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: list[tuple[int, float]] = []

    def hear(number: int, _: FrameType | None) -> None:
        if not first:
            first.append((number, time.monotonic()))
            raise Stopped(number)
        earlier, at = first[0]
        if number == earlier or time.monotonic() - at > _TOGETHER_S:
            os._exit(128 + number)

    before = {one: signal.getsignal(one) for one in _HEARD}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, hear)
    try:
        yield
    finally:
        for one, handler in before.items():
            if handler is not None:  # None: set by other means than Python's, and cannot be set again
                signal.signal(one, handler)

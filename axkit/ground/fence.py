"""A fence to plugins: what a stranger's code does wrong is one sentence that names it, and hurts nothing else.

Around code that answers a question (import, ``check``, ``foresee``) every error is the plugin's. Around ``apply`` an
ordinary error is a bug that keeps its traceback, with a note whose it is. What no fence in a process can hold is
``os._exit`` and a crash in native code: those end the process, and the finished stages stay.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from axkit.ground.errors import AxkitError, PluginError, shown

TOLD_S = 20.0  # then a line says who is waited for
LIMIT_S = 120.0  # then it is over
_LIMIT = "AXKIT_PLUGIN_SECONDS"  # another limit, in seconds


def whose(what: str, name: str, distribution: str) -> str:
    """``pass 'narrow' of axkit-narrow 0.1``."""
    return f"{what} '{shown(name)}' of {shown(distribution)}"


def why(error: BaseException) -> str:
    """An error as half a sentence: its type and what it says."""
    return f"{type(error).__name__}: {shown(error, 300) or 'no message'}"


@contextmanager
def answering(
    who: str, doing: str, ours: bool = False, limited: bool = True, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Foreign code that only answers: any error, exit or hang becomes a sentence.

    Args:
        who: as ``whose`` says it.
        doing: what fails then ("cannot be imported from x").
        ours: axkit's own code, whose errors are bugs: they pass as they are.
        limited: it only answers; what downloads or computes may take its time.

        passing: errors that the caller words.

    Raises:
        PluginError: in its place. What is an AxkitError already passes.
    """
    let_by: tuple[type[BaseException], ...] = (AxkitError, KeyboardInterrupt, *passing)
    try:
        with _in_time(who) if limited else nullcontext():
            yield
    except let_by:
        raise
    except BaseException as error:  # SystemExit too: a plugin is not to end us
        if ours:
            raise
        raise PluginError(f"{who} {doing} ({why(error)}); mend or uninstall that package") from error


@contextmanager
def working(who: str) -> Iterator[None]:
    """Foreign code that does the work: an exit becomes a sentence, a bug is told by name.

    Raises:
        PluginError: it tried to end the process.
    """
    try:
        yield
    except (AxkitError, KeyboardInterrupt):
        raise
    except Exception as error:
        error.add_note(f"This is a bug of {who}. Finished stages are kept: mend it and run the same command to go on.")
        raise
    except BaseException as error:  # SystemExit, GeneratorExit
        raise PluginError(f"{who} tried to end the process ({why(error)}); mend or uninstall that package") from error


class _Overdue(Exception):
    """Raised where the plugin is."""


@contextmanager
def _in_time(who: str) -> Iterator[None]:
    """After TOLD_S a line on standard error says who is waited for; after the limit it is over.

    The limit holds in the main thread of a Unix process, for code that comes back to Python now and then.
    """
    limit = _limit()

    def tell() -> None:
        print(f"still waiting for {who}, which after {TOLD_S:.0f} s has not come back", file=sys.stderr, flush=True)

    def over(signum: int, frame: Any) -> None:
        raise _Overdue(f"not done after {limit:g} s; {_LIMIT}=600 waits longer")

    timer = threading.Timer(TOLD_S, tell)
    timer.daemon = True
    timer.start()
    try:
        with _alarm(limit, over):
            yield
    finally:
        timer.cancel()


@contextmanager
def _alarm(seconds: float, over: Callable[[int, Any], None]) -> Iterator[None]:
    """``over`` is called when they have passed; nothing is where no alarm can be set."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _limit() -> float:
    try:
        return max(0.01, float(os.environ.get(_LIMIT, LIMIT_S)))
    except ValueError:
        return LIMIT_S

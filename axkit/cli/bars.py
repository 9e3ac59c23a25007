"""What a person sees while a run goes on: bars with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
SHOW_AFTER_S = 1.0
LINE_EVERY_S = 15.0


class Shown:
    """Bars and lines on standard error."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text)

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Yield the items behind a bar that appears once the job has lasted a second."""
        if total is None:
            items = list(items)
            total = len(items)
        yield from (self._bar if self.console.is_terminal else self._lines)(items, what, total)

    def _bar(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(what, total=total, visible=False)
            start = time.monotonic()
            for item in items:
                yield item
                progress.update(task, advance=1, visible=time.monotonic() - start > SHOW_AFTER_S)

    def _lines(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        start = said = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - said > LINE_EVERY_S and done < total:
                said = now
                left = (now - start) / done * (total - done)
                self.say(f"  {what}: {done}/{total}, about {left:.0f} s left")

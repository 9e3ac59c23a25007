"""A page of models side by side: several runs, or a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from axkit.report.page.figures import Grid
from axkit.report.page.templates import Drawn, rendered


@dataclass(frozen=True)
class Group:
    """Models of one task.

    Attributes:
        title: of the task.
        grid: a row for each model.
        drawn: its plot, maybe.
        notes: sentences.
    """

    title: str
    grid: Grid
    drawn: Drawn = field(default_factory=Drawn)
    notes: tuple[str, ...] = ()


def comparison_page(title: str, groups: Sequence[Group], more: Sequence[Group] = (), notes: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        title: of it.
        groups: task by task.
        more: further tables, folded.
        notes: sentences at its end.
    """
    return rendered("comparison.html", title=title, groups=groups, more=more, notes=notes)

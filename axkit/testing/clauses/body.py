"""What a pass leaves that puts a body of another runtime in the place of the torch module."""

from __future__ import annotations

from collections.abc import Iterator

from axkit.run import obligations
from axkit.testing.applied import Twice
from axkit.testing.clauses.base import clause
from axkit.testing.looks import TOLERANCE, answers_of, reload
from axkit.testing.saved import fenced


@clause("body", "What it leaves as subject.body answers, can be saved, and is a torch module unless ends says so.")
def body(twice: Twice) -> Iterator[str]:
    """The engine looks at the same."""
    yield from obligations.body_faults(twice.first.subject, twice.first.runner, had_module=True)


@clause("body-saved", "Saved and loaded, a body of another runtime answers the same.")
def body_saved(twice: Twice) -> Iterator[str]:
    """In a fresh object; for a torch module the clause 'saved' is the one."""
    first = twice.first
    if first.subject.has_module:
        return
    again = fenced(lambda: reload(first.subject, first.subject.reader))
    if isinstance(again, str):
        yield f"leaves a body that does not reload ({again}); mend its save and load"
        return
    gap = float((answers_of(again, first.rows) - answers_of(first.subject, first.rows)).abs().max())
    if gap > TOLERANCE:
        yield f"leaves a body whose reloaded logits differ by {gap:.2g}; mend its save and load"


BODY = (body, body_saved)

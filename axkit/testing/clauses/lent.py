"""What a pass may not do to what it is lent."""

from __future__ import annotations

from collections.abc import Iterator

from axkit.ground.errors import shown
from axkit.testing.applied import Twice
from axkit.testing.clauses.base import clause


@clause("loans", "It uses what its needs name, and nothing else of train, search, teacher and the dense rows.")
def loans(twice: Twice) -> Iterator[str]:
    """What is not declared is not there: the use of it was refused."""
    said = str(twice.first.error or "")
    if "did not declare" in said:
        yield "uses " + said.partition(" uses ")[2]


@clause("own-settings", "It leaves its settings as they were.")
def own_settings(twice: Twice) -> Iterator[str]:
    """The report and the trail say what it ran with."""
    if "settings" in twice.first.changed("lent"):
        yield "changed its own settings while it ran; keep what you work out in variables of apply"


@clause("labels", "It leaves the labels of the rows as they were.")
def labels(twice: Twice) -> Iterator[str]:
    """Later stages train on the same."""
    for what in _parts(twice, "labels"):
        yield f"changed the {what}, which are lent to every pass; work on a copy"


@clause("rows", "It leaves the rows as they were.")
def rows(twice: Twice) -> Iterator[str]:
    """Likewise."""
    for what in _parts(twice, "rows"):
        yield f"changed the {what}, which are lent to every pass; work on a copy"


@clause("reader", "It leaves the tokenizer or image reader as it was; another one is set as subject.reader.")
def reader(twice: Twice) -> Iterator[str]:
    """The stage before, and the dense model, still read by it."""
    if "reader" in twice.first.changed("lent"):
        yield "changed the tokenizer that it was lent; copy it, and set the copy as subject.reader"


@clause("dense", "It leaves the dense model as it was: weights, mode, hooks, which weights take gradients.")
def dense(twice: Twice) -> Iterator[str]:
    """The engine looks at the same, but for hooks."""
    yield from twice.first.marks


@clause("undo", "The model as it was before the pass answers as before: keeping it is how a stage is undone.")
def undo(twice: Twice) -> Iterator[str]:
    """What a copy shares with it: classes, the family, caches."""
    if "family" in twice.first.changed("lent"):
        yield "changed the family's data, which every model of it shares; copy what you change"
    before, after = twice.first.answers
    if before.shape != after.shape or not bool((before == after).all()):
        yield (
            "makes the model that was there before it answer otherwise, though its weights are the same, so that the "
            "stage cannot be undone; change nothing that a copy shares, such as a class"
        )


@clause("keeps", "It keeps nothing that it was lent: Tools are for one apply.")
def keeps(twice: Twice) -> Iterator[str]:
    """On the pass, on a module, or in a global."""
    if twice.first.kept:
        yield "keeps the Tools that it was lent, on itself, a module or a global; hand them on, and let them go"


def _parts(twice: Twice, what: str) -> Iterator[str]:
    for name in twice.first.changed("lent"):
        if name.startswith(f"{what} of "):
            yield shown(name)
            return


LENT = (loans, own_settings, labels, rows, reader, dense, undo, keeps)

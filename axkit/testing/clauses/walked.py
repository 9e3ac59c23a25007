"""What a pass is in a recipe."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from axkit.ground import registry
from axkit.testing.clauses.base import clause
from axkit.testing.looks import TOLERANCE
from axkit.testing.walk import FOLLOWING, Walked


@clause("recipe", "A recipe can say its settings, and runs it under a budget.")
def recipe(walked: Walked) -> Iterator[str]:
    """Planned and run by the engine."""
    for what in ("the plan", "the first run"):
        if what in walked.failed:
            yield f"fails in a recipe, in {what} ({walked.failed[what]}); mend what the message names"


@clause("next", "What its traits let through runs after it, such as int8; what cannot, they refuse.")
def following(walked: Walked) -> Iterator[str]:
    """The plan refuses it for a trait that the pass ends, and for nothing else."""
    if "the run that went on" in walked.failed:
        why = walked.failed["the run that went on"]
        after = "" if walked.refused else f", with {FOLLOWING} after it"
        yield f"fails in a recipe that goes on{after} ({why}); mend it, or end a trait"
    required = registry.get(registry.PASSES, FOLLOWING).requires
    if walked.refused and not required & walked.trial.pass_class.ends:
        yield f"lets nothing be quantized after it, and no trait says so ({walked.refused}); mend its traits"


@clause("goes-on", "A run that was killed goes on to the weights that it would have had.")
def goes_on(walked: Walked) -> Iterator[str]:
    """By the engine: the same seed, journal and scratch folder."""
    if len(walked.made) > 1:
        first, again = walked.made[:2]
        same = first.keys() == again.keys() and all(
            first[name].shape == again[name].shape and torch.allclose(first[name], again[name], rtol=1e-4, atol=1e-5)
            for name in first
        )
        if not same:
            yield "makes other weights when a killed run goes on; decide by tools.journal, and draw by tools.seed"


@clause("finished", "A finished stage is found again, and is what it was.")
def finished(walked: Walked) -> Iterator[str]:
    """By a third run, which loads every stage from its folder."""
    why = walked.failed.get("the run that found it finished")
    if why:
        yield f"cannot be loaded from a finished stage ({why}); mend restore"
    elif len(walked.answers) > 1 and not walked.reused:
        yield "is never found finished, as its settings are others each time; give them fixed defaults"
    elif len(walked.answers) > 1 and float((walked.answers[0] - walked.answers[1]).abs().max()) > TOLERANCE:
        yield "is another model when its finished stage is loaded; mend restore"


WALKED = (recipe, following, goes_on, finished)

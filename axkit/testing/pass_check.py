"""``check_pass``: a pass is held to its contract on a tiny random model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family, family_of
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.subject import Subject
from axkit.ground import registry
from axkit.testing.applied import Trial, Twice
from axkit.testing.clauses.base import Clause, hold_to
from axkit.testing.clauses.body import BODY
from axkit.testing.clauses.declared import DECLARED, class_of
from axkit.testing.clauses.lent import LENT
from axkit.testing.clauses.model import MODEL
from axkit.testing.clauses.process import PROCESS
from axkit.testing.clauses.result import CLAIMS, RESULT
from axkit.testing.clauses.saved import SAVED
from axkit.testing.clauses.traits import TRAITS
from axkit.testing.clauses.walked import WALKED
from axkit.testing.orders import ORDERS, SHORT
from axkit.testing.saved import Saved
from axkit.testing.walk import walk

# what explains an error comes before it is raised
BEFORE_ERRORS: tuple[Clause[Twice], ...] = PROCESS + LENT
OF_ANY_BODY: tuple[Clause[Twice], ...] = RESULT + BODY
OF_A_MODULE: tuple[Clause[Twice], ...] = CLAIMS + MODEL + TRAITS
GROUPS: dict[str, tuple[Clause[Any], ...]] = {  # in the order in which they are looked at
    "What it declares": DECLARED,
    "What it does to the process": PROCESS,
    "What it does to what it is lent": LENT,
    "What it gives back": RESULT + BODY + CLAIMS,
    "The model that it leaves": MODEL,
    "Traits": TRAITS,
    "Saved and loaded": SAVED,
    "In a recipe": WALKED,
}
CLAUSES = tuple(one for clauses in GROUPS.values() for one in clauses)


def check_pass(
    pass_class: type[Pass[Any]] | Pass[Any],
    family: str | Family,
    name: str | None = None,
    *,
    config: PassConfig | None = None,
    engine: bool = True,
    again: bool = True,
    **settings: Any,
) -> Subject:
    """Hold a pass to its contract on a tiny model; docs/conformance.md lists the clauses.

    Args:
        pass_class: the pass; nobody need have registered it.
        family: a registered model_type, or a Family.
        name: what it is called meanwhile; by default as it is registered, or as its class.
        config: its settings, instead of ``settings``.
        engine: go through a recipe as well, which is killed, goes on, and quantizes after the pass (a second).
        again: apply it a second time: that shows what is random, and what a process is left with.
        settings: of its Config.

    Returns:
        The subject after the pass.

    Raises:
        BrokenClause: an AssertionError with what is wrong, and what to mend.
        NotApplicable: the pass refuses this family; that is a way of keeping the contract.
    """
    found = class_of(pass_class)
    known = family if isinstance(family, Family) else family_of(family)
    chosen = config if config is not None else found.Config(**settings)
    called = name or _name_of(found)
    with tempfile.TemporaryDirectory() as folder, registry.at_hand(registry.PASSES, called, found):
        trial = Trial(found, chosen, known, called, Path(folder).resolve())
        hold_to(DECLARED, trial)
        trial.runner().check(known, chosen)
        twice = Twice.of(trial, again)
        hold_to(BEFORE_ERRORS, twice)
        if twice.first.error is not None:
            raise twice.first.error
        hold_to(OF_ANY_BODY, twice)
        if twice.first.subject.has_module:
            hold_to(OF_A_MODULE, twice)
        saved = Saved.of(twice, ORDERS if engine else SHORT)
        if saved.subject.has_module:
            hold_to(SAVED, saved)
        if engine:
            hold_to(WALKED, walk(trial))
    return saved.subject


def _name_of(pass_class: type[Pass[Any]]) -> str:
    target = f"{pass_class.__module__}:{pass_class.__qualname__}"
    for name, entry in registry.entries(registry.PASSES).items():
        if entry.target == target:
            return name
    return f"checked_{pass_class.__name__.lower()}"

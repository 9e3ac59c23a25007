"""What the models of one family share: the first round's table, kept as long as a recipe runs or a goal is tried."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.budget.lines import Looked, Timed
from axkit.axformer.budget.repairs import Repairs
from axkit.axformer.settings import AxformerPruneConfig
from axkit.contract.subject import Subject
from axkit.kit.train.checkpoints import fingerprint

_LATER = {"speedup", "size", "rounds", "recover", "max_drop", "confidence"}  # the first round's table knows none

_LOOKED = "1."  # how the first round's looks begin
_OTHERS = re.compile(r"speedup [1-9]|(layer|whole) (?!1\.)")  # timings of cut models, and of later rounds


@dataclass(frozen=True)
class _Kept:
    """Of a round that was surveyed.

    Attributes:
        repairs: without the problems, which only a look needs: all that is to be looked at is in the lines.
        lines: what was looked at and timed.
    """

    repairs: Repairs
    lines: Sequence[Looked | Timed]


class Shared:
    """The table of this very model under settings that differ in nothing that the table is made of.

    Whoever finds it writes its lines to its own journal, and needs it no more: a search that is killed and goes
    on in another process decides the same.

    Args:
        common: of the models of the recipe (``Tools.common``).
        name: of the model and the settings in it.
    """

    def __init__(self, common: dict[str, Any], name: str) -> None:
        self._common, self._name = common, name

    @classmethod
    def of(cls, common: dict[str, Any], subject: Subject, config: AxformerPruneConfig) -> Shared:
        """Of a model as its search begins."""
        return cls(common, _name(subject, config))

    def adopt(self, ledger: Ledger) -> None:
        """Let a search know what another has seen, before it begins."""
        found = self._found
        if found is not None:
            ledger.adopt(found.lines)

    @property
    def repairs(self) -> Repairs | None:
        """Orders and errors, where another has found them."""
        return None if self._found is None else self._found.repairs

    def keep(self, repairs: Repairs, ledger: Ledger) -> None:
        """For the next one: the table alone. A search that goes on has lines of cut models, and those are its own."""
        lines = [line for line in ledger.lines if _is_of_the_table(line)]
        self._common.setdefault(self._name, _Kept(replace(repairs, problems={}), lines))

    @property
    def _found(self) -> _Kept | None:
        found = self._common.get(self._name)
        return found if isinstance(found, _Kept) else None


def _is_of_the_table(line: Looked | Timed) -> bool:
    return line.at.startswith(_LOOKED) if isinstance(line, Looked) else _OTHERS.match(line.shape) is None


def _name(subject: Subject, config: AxformerPruneConfig) -> str:
    """Of what a table depends on within a run: weights, structure, settings."""
    settings = config.model_dump(mode="json", exclude=_LATER)
    return f"axformer_prune, budget: {fingerprint(subject.module, settings, str(subject.structure))}"

"""The model on its way through a recipe: module, family, structure, trail."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from axkit.anatomy.family import Family
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, carve, check_first_token, layers_of
from axkit.ground.errors import CheckpointError


@dataclass(frozen=True)
class TrailStep:
    """One pass that was applied.

    Attributes:
        name: the registered name of the pass.
        source: the distribution it came from, ``"name version"``.
        config: its settings, resolved.
        state: what ``Pass.restore`` needs to rebuild the module (JSON); None where the Structure says it all.
        facts: what the pass reported; each key ends in its unit.
        structure: what the pass left of the model; None where that is what all passes together have left. A folder
            is rebuilt in the order of its trail: carved to this, then restored, step by step.
    """

    name: str
    source: str
    config: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    structure: Structure | None = None

    def to_json(self, end: Structure) -> dict[str, Any]:
        """Plain JSON, without the facts, which hold seconds: the report has them.

        The structure stands there only if it is not ``end``, that of the whole model.
        """
        return {
            "name": self.name,
            "source": self.source,
            "config": dict(self.config),
            "state": None if self.state is None else dict(self.state),
            **({} if self.structure in (None, end) else {"structure": self.structure.to_json()}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], end: Structure) -> TrailStep:
        """The inverse of :meth:`to_json`.

        Raises:
            CheckpointError: the data is no such step.
        """
        wanted = {"name": str, "source": str, "config": dict, "state": dict | None}
        if (
            not isinstance(data, Mapping)
            or not all(key in data and isinstance(data[key], kind) for key, kind in wanted.items())
            or not isinstance(data.get("facts", {}), dict)
        ):
            raise CheckpointError("the checkpoint's trail is damaged; copy the whole folder again")
        structure = Structure.from_json(data["structure"]) if "structure" in data else end
        return cls(data["name"], data["source"], data["config"], data["state"], data.get("facts", {}), structure)


@dataclass
class Subject:
    """What a pass works on.

    Attributes:
        module: a transformers model (``PreTrainedModel``).
        family: its architecture.
        structure: what is left of it; the module always matches it.
        trail: the passes that made it, oldest first.
    """

    module: Any
    family: Family
    structure: Structure
    trail: tuple[TrailStep, ...] = ()

    @property
    def layers(self) -> list[Layer]:
        """The physical layers, spoken to by role (``layer.ffn_in``)."""
        return list(layers_of(self.module, self.family))

    @property
    def reads_first_token_only(self) -> bool:
        """True when the model's head reads nothing of the last layer but its first token."""
        return check_first_token(self.module, self.family)

    @property
    def is_stock(self) -> bool:
        """True when a class of transformers rebuilds this model exactly, without axkit."""
        return self.structure.is_dense and all(step.state is None for step in self.trail)

    def carve(self, structure: Structure) -> None:
        """Remove, in place, what ``structure`` no longer has.

        Raises:
            ValueError: ``structure`` is not within the present one.
        """
        carve(self.module, self.family, self.structure, structure)
        self.structure = structure

    def passed(self, step: TrailStep) -> None:
        """Note that a pass was applied; the step gets the structure that the model has now."""
        self.trail = (*self.trail, replace(step, structure=self.structure))

    def copy(self) -> Subject:
        """An independent copy: own weights, same trail."""
        return Subject(copy.deepcopy(self.module), self.family, self.structure, self.trail)

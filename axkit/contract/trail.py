"""What was done to a model, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from axkit.anatomy.structure import Structure
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
        """The inverse of ``to_json``.

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


def is_stock(structure: Structure, trail: Sequence[TrailStep]) -> bool:
    """True when a class of transformers rebuilds a model of this structure and trail exactly, without axkit."""
    return structure.is_dense and all(step.state is None for step in trail)

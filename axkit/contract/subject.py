"""The model on its way through a recipe: body, reader, family, structure, trail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from axkit.anatomy.family import Family
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, carve, check_first_token, layers_of
from axkit.contract.body import Body
from axkit.contract.trail import TrailStep as TrailStep
from axkit.contract.trail import is_stock
from axkit.ground.errors import NotApplicable


@dataclass
class Subject:
    """What a pass works on. Of a transformers model it is made by ``axkit.torch_subject``.

    Attributes:
        body: what answers; a pass may put another in its place, one of another runtime, say.
        reader: what makes its inputs: a text tokenizer or an image reader; None where nobody asks it about rows.
        family: its architecture.
        structure: what is left of it; the body always matches it.
        trail: the passes that made it, oldest first.
    """

    body: Body
    reader: Any
    family: Family
    structure: Structure
    trail: tuple[TrailStep, ...] = ()

    @property
    def has_module(self) -> bool:
        """True where the body holds a transformers model, so that ``module`` is there."""
        return getattr(self.body, "module", None) is not None

    @property
    def module(self) -> Any:
        """The transformers model (``PreTrainedModel``) of a torch body.

        Raises:
            NotApplicable: the body is of another runtime.
        """
        module = getattr(self.body, "module", None)
        if module is None:
            raise NotApplicable(
                f"the model is one of the runtime '{self.body.runtime}' and no torch module any more; do what needs "
                f"one before the pass that made it"
            )
        return module

    @module.setter
    def module(self, module: Any) -> None:
        """Put another model into a torch body."""
        _ = self.module  # another runtime has no place for it
        setattr(self.body, "module", module)  # noqa: B010  # the contract of a body names no module

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
        return self.has_module and is_stock(self.structure, self.trail)

    def carve(self, structure: Structure) -> None:
        """Remove, in place, what ``structure`` no longer has.

        Raises:
            ValueError: ``structure`` is not within the present one.
            NotApplicable: the body is no torch module.
        """
        carve(self.module, self.family, self.structure, structure)
        self.structure = structure

    def passed(self, step: TrailStep) -> None:
        """Note that a pass was applied; the step gets the structure that the model has now."""
        self.trail = (*self.trail, replace(step, structure=self.structure))

    def copy(self) -> Subject:
        """An independent copy: own weights, same reader and trail."""
        return Subject(self.body.copy(), self.reader, self.family, self.structure, self.trail)

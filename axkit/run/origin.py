"""A result of axkit as the model of another recipe: its trail has ended traits already. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from axkit.checkpoint.config import NAME, is_own
from axkit.contract.passes import Pass
from axkit.contract.registered import Registered, load_pass
from axkit.contract.trail import TrailStep
from axkit.contract.traits import OF_THE_RUN, Trait
from axkit.ground.errors import AxkitError, CheckpointError
from axkit.run.steps import PlannedStep
from axkit.runtimes.manifest import check_described, read_manifest, to_work_on


@dataclass(frozen=True)
class Origin:
    """What a result of axkit brings into the recipe that starts from it.

    Attributes:
        model: as the recipe names it.
        trail: the passes that made it, oldest first.
    """

    model: str
    trail: tuple[TrailStep, ...]

    @cached_property
    def passes(self) -> Mapping[str, Registered]:
        """The passes of the trail, by name.

        Raises:
            CheckpointError: one is not installed, so that nobody knows what it ended.
        """
        found: dict[str, Registered] = {}
        for step in self.trail:
            try:
                found[step.name] = load_pass(step.name)
            except AxkitError as error:
                raise CheckpointError(
                    f"'{self.model}' was made by the pass '{step.name}' of {step.source}: {error}"
                ) from error
        return found

    @property
    def runners(self) -> Mapping[str, type[Pass[Any]]]:
        """The classes of these passes, by name."""
        return {name: one.pass_class for name, one in self.passes.items()}

    @property
    def ended(self) -> dict[Trait, str]:
        """What the model has no longer -> the pass that ended it; what is between model and run starts anew."""
        ended: dict[Trait, str] = {}
        for step in self.trail:
            for trait in sorted(self.runners[step.name].ends - OF_THE_RUN):
                ended.setdefault(trait, step.name)
        return ended

    def order_faults(self, steps: Sequence[PlannedStep]) -> list[tuple[PlannedStep, str]]:
        """Steps that need what the model has no longer, and a sentence for each."""
        ended, faults = self.ended, []
        for step in steps:
            lost = sorted(step.requires & ended.keys())
            if lost:
                faults.append(
                    (
                        step,
                        f"'{step.name}' needs {lost[0]}, which '{ended[lost[0]]}' ended when '{self.model}' was made; "
                        f"leave '{step.name}' out, or start from a model before that",
                    )
                )
        return faults


def origin_of(model: str, folder: Path, config: Mapping[str, Any]) -> Origin | None:
    """Where a model comes from; None of one that axkit did not make.

    Args:
        model: as the recipe names it.
        folder: its checkpoint.
        config: its config.json.

    Raises:
        CheckpointError: what axkit wrote about it is damaged.
    """
    manifest = to_work_on(read_manifest(folder))
    if manifest is not None:
        return Origin(model, manifest.trail)
    if is_own(config):
        return Origin(model, check_described(config.get("axkit"), folder / NAME)[1])
    return None

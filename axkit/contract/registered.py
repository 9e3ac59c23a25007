"""A pass by its registered name: the one door, for recipes, trails and listings alike. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from axkit.contract.passes import Pass, PassConfig
from axkit.ground import fence, registry
from axkit.ground.errors import AxkitError, CheckpointError, PluginError


@dataclass(frozen=True)
class Ready:
    """A pass with its settings.

    Attributes:
        who: what and whose it is, for messages.
        runner: the pass.
        config: its checked settings.
    """

    who: str
    runner: Pass[Any]
    config: PassConfig


@dataclass(frozen=True)
class Registered:
    """A pass that some distribution registers, imported.

    Attributes:
        entry: where it comes from.
        pass_class: the class.
    """

    entry: registry.Entry
    pass_class: type[Pass[Any]]

    def with_settings(self, settings: Mapping[str, Any]) -> Ready:
        """Ready to run.

        Raises:
            pydantic.ValidationError: settings that its Config refuses.
        """
        config = self.pass_class.Config.model_validate(dict(settings))
        return Ready(self.entry.who, self.pass_class(), config)


def load_pass(name: str) -> Registered:
    """Import a pass.

    Raises:
        PluginError: no such name (the nearest one is suggested), a collision, a failing import, or no pass.
    """
    entry = registry.entries(registry.PASSES).get(name)
    if entry is None:
        raise PluginError(registry.unknown(registry.PASSES, name))
    return Registered(entry, entry.load_as(Pass, "a subclass of axkit.Pass"))


def pass_of_trail(name: str, source: str, config: Mapping[str, Any]) -> Ready:
    """The pass that made a checkpoint, with the settings that the checkpoint keeps.

    Args:
        name: of the pass.
        source: the distribution that it came from.
        config: its settings, as JSON.

    Raises:
        CheckpointError: it is not installed, or takes no such settings.
    """
    try:
        found = load_pass(name)
        with fence.answering(found.entry.who, "cannot be set up", found.entry.is_ours, passing=(ValidationError,)):
            return found.with_settings(config)
    except ValidationError as error:
        raise CheckpointError(
            f"the settings that the checkpoint keeps of the pass '{name}' are none of {source} "
            f"({error.errors()[0]['msg']}); copy the whole folder again"
        ) from error
    except AxkitError as error:
        raise CheckpointError(f"this model needs the pass '{name}' of {source}: {error}") from error

"""An architecture as data: which module plays which role, and what stands in for a removed block."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from axkit import registry
from axkit.errors import NotApplicable, PluginError

Role = Literal[
    "attention_core",
    "query",
    "key",
    "value",
    "attention_out",
    "attention_norm",
    "ffn_in",
    "ffn_out",
    "ffn_norm",
]
StandIn = Literal["zero", "identity", "no_attention"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConfigNames(_Data):
    """How this architecture's config names its sizes."""

    layers: str
    hidden: str
    heads: str
    ffn_width: str


class Removed(_Data):
    """For each block: module path within the layer -> what replaces it, so that the block adds exactly zero."""

    attention: dict[str, StandIn]
    ffn: dict[str, StandIn]


class Family(_Data):
    """What axkit has to know of one architecture; a TOML file.

    Paths are dotted; ``layers`` starts at the base model, all others at one layer.
    """

    model_type: str
    layers: str
    first_token_heads: tuple[str, ...] = ()  # heads whose output depends on the first token's last state alone
    config: ConfigNames
    roles: dict[Role, str]
    removed: Removed

    @classmethod
    def from_toml(cls, path: Path) -> Family:
        """Read a family file.

        Raises:
            PluginError: the file is not a valid family description.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
            first = (
                "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
                if isinstance(error, ValidationError)
                else str(error)
            )
            raise PluginError(f"family file {path.name} is not valid ({first}); mend the file") from error

    def size(self, config: Any, what: Literal["layers", "hidden", "heads", "ffn_width"]) -> int:
        """One size of a model, read from its config under this architecture's name for it."""
        return int(getattr(config, getattr(self.config, what)))


def family_of(model_type: str) -> Family:
    """The family registered for exactly this ``model_type``.

    Raises:
        NotApplicable: no family of that name is registered.
    """
    base = model_type.removeprefix("axkit_")
    known = registry.entries(registry.FAMILIES)
    if base not in known:
        raise NotApplicable(
            f"axkit knows no family '{base}' (it knows {', '.join(known)}); "
            f"describe it in a TOML file and register that under '{registry.FAMILIES}'"
        )
    family: Family = known[base].load()
    return family

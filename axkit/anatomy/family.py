"""An architecture as data: which module plays which role, and what stands in for a removed block."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from axkit.ground import registry
from axkit.ground.errors import NotApplicable, PluginError

Role = Literal[
    "attention_core",
    "query",
    "key",
    "value",
    "qkv",
    "attention_out",
    "attention_norm",
    "attention_dropout",
    "ffn_in",
    "ffn_out",
    "ffn_norm",
]
Ability = Literal["heads", "neurons", "first_token_only"]
StandIn = Literal["zero", "identity", "no_attention"]
_ALWAYS: tuple[Role, ...] = ("attention_core", "attention_out", "attention_norm", "ffn_in", "ffn_out", "ffn_norm")
_APART: tuple[Role, ...] = ("query", "key", "value")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConfigNames(_Data):
    """How this architecture's config names its sizes."""

    layers: str
    hidden: str
    heads: str
    ffn_width: str
    ffn_over_hidden: int | None = Field(None, description="ffn_width / hidden where the config leaves ffn_width None.")
    image_size: str | None = Field(None, description="Needed where the inputs are pixels; an int, or height and width.")
    patch_size: str | None = Field(None, description="Likewise.")
    attention_dropout: str | None = Field(None, description="Needed where first_token_heads names one.")
    positions: str | None = Field(None, description="Rows of the position table; None where there is no such table.")
    positions_if: str | None = Field(None, description="The flag without which there is none.")
    token_types: str | None = Field(None, description="Rows of the table of token types.")


class Removed(_Data):
    """For each block: module path within the layer -> what replaces it, so that the block adds exactly zero."""

    attention: dict[str, StandIn]
    ffn: dict[str, StandIn]


class Blocks(_Data):
    """Which architecture it is, and where its blocks are.

    Attributes:
        model_type: exactly as in config.json.
        layers: the module list that holds the layers.
        config: names of sizes in the config.
        roles: role -> module. Either ``query``, ``key`` and ``value``, or ``qkv``, which holds the three one above
            the other. ``attention_dropout``, where given, is what the probabilities pass through: hard attention is
            put in its place, for attention that does not go through transformers' AttentionInterface.
        removed: what stands in for a removed block.
    """

    model_type: str
    layers: str
    config: ConfigNames
    roles: dict[Role, str]
    removed: Removed


class Inputs(_Data):
    """What a model reads.

    Attributes:
        inputs: what the model reads.
        leading_tokens: those before the patches of an image, such as the class token.
        positions_after_padding: positions are counted from the padding token's id on: that many rows of the table, and
            one more, are for no token, and the tokenizer must pad with the id that the config names.
        ignored_inputs: what a tokenizer may give and the model's forward does not take.
    """

    inputs: Literal["tokens", "pixels"] = "tokens"
    leading_tokens: int = 0
    positions_after_padding: bool = False
    ignored_inputs: tuple[str, ...] = ()


class LayerForm(_Data):
    """In what a layer differs from a post-norm one with projections of its own.

    Attributes:
        pre_norm: the norm stands before its block, inside the residual branch: it goes with the block.
        gated_ffn: ``ffn_in`` has two rows for each neuron, value and gate: neuron n has rows n and n + ffn_width.
        shared_layers: config fields that count physical layers, each of which must be 1: one layer is computed many
            times, and what is done to it is done to all. Empty where each layer has weights of its own.
        layer_returns_tuple: a layer returns (hidden states, ...), not the hidden states.
        layer_attributes: attributes of a layer that the model itself reads: what stands in a layer's place needs them.
        core_attributes: attributes of the attention core that must follow what is left of it: "heads", or "width",
            which is heads times head size.
        also_per_head: further projections with rows for each head; those that a checkpoint lacks are passed over.
        per_head_inputs: inputs of the attention core with a row for each head of the dense model, (batch or
            1, heads, ...), which the model makes once for all layers: a cut core takes those of the heads it has left.
    """

    pre_norm: bool = False
    gated_ffn: bool = False
    shared_layers: tuple[str, ...] = ()
    layer_returns_tuple: bool = False
    layer_attributes: tuple[str, ...] = ()
    core_attributes: dict[str, Literal["heads", "width"]] = {}
    also_per_head: tuple[str, ...] = ()
    per_head_inputs: tuple[str, ...] = ()


# Pydantic takes fields from the last base on: that order is the one of messages, which name the first faults.
class Family(LayerForm, Inputs, Blocks):
    """What axkit has to know of one architecture; a TOML file (docs/add-a-family.md).

    Paths are dotted; ``layers`` and ``read_directly`` start at the base model, all others at one layer.

    Attributes:
        read_directly: modules whose weight is read, not called: it must stay a float tensor.
        pretraining: modules beside the base model that only pretraining reads; a checkpoint may still hold them.
        first_token_heads: heads whose output depends on the first token's last state alone.
        reads_last_token: a classifier reads the last token that is no padding, by the config's ``pad_token_id``.
        limits: what cannot be done, and why: ability -> half a sentence, for messages and the docs. ``heads`` and
            ``neurons``: a block goes whole or not at all; ``first_token_only``, whatever ``first_token_heads`` says.
        since: the first release of transformers whose code of this architecture axkit can work on; None: any.
        tiny: config values that the tiny random model of the tests needs besides its sizes.
    """

    read_directly: tuple[str, ...] = ()
    pretraining: tuple[str, ...] = ()
    first_token_heads: tuple[str, ...] = ()
    reads_last_token: bool = False
    limits: dict[Ability, Annotated[str, Field(min_length=1)]] = {}
    since: str | None = None
    tiny: dict[str, Any] = {}

    @model_validator(mode="after")
    def _whole(self) -> Family:
        missing = [role for role in _ALWAYS if role not in self.roles]
        apart = [role for role in _APART if role in self.roles]
        if missing:
            raise ValueError(f"roles lacks {', '.join(missing)}")
        if apart != ([] if self.fused_qkv else list(_APART)):
            raise ValueError("roles needs query, key and value, or qkv in place of the three")
        if self.inputs == "pixels" and not (self.config.image_size and self.config.patch_size):
            raise ValueError("a family that reads pixels needs config.image_size and config.patch_size")
        by_itself = "attention_dropout" in self.roles
        if self.first_token_heads and (self.fused_qkv or not (by_itself or self.config.attention_dropout)):
            raise ValueError("first_token_heads needs query, key and value apart, and config.attention_dropout")
        if self.first_token_heads and self.per_head_inputs and not by_itself:
            raise ValueError("first_token_heads beside per_head_inputs needs the role attention_dropout")
        return self

    @property
    def fused_qkv(self) -> bool:
        """True when one projection gives queries, keys and values, one above the other."""
        return "qkv" in self.roles

    @classmethod
    def from_toml(cls, path: Path, transformers: str | None = None) -> Family:
        """Read a family file, as it stands for a release of transformers.

        Each ``[[before]]`` of the file holds for releases before the one that its ``transformers`` names: its keys and
        tables take the place of those above. All of them are checked, whichever is wanted.

        Args:
            path: of the file.
            transformers: the release; the installed one where None.

        Raises:
            PluginError: the file is not a valid family description.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
            older = sorted(data.pop("before", []), key=lambda one: _release(one["transformers"]), reverse=True)
            wanted = _release(transformers or version("transformers"))
            found = cls.model_validate(data)
            for change in older:
                until = _release(change.pop("transformers"))
                data = {**data, **change}
                made = cls.model_validate(data)
                found = made if wanted < until else found
            return found
        except (KeyError, TypeError) as error:
            raise PluginError(
                f"family file {path.name} is not valid (each [[before]] needs a 'transformers', the release that ended "
                f"it); mend the file"
            ) from error
        except FileNotFoundError as error:
            raise PluginError(
                f"family file {path} is not there; if it was left out of the wheel, say in pyproject.toml that it "
                f"belongs to the package (docs/add-a-family.md shows how)"
            ) from error
        except (OSError, ValueError) as error:
            first = (
                "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
                if isinstance(error, ValidationError)
                else str(error)
            )
            raise PluginError(f"family file {path.name} is not valid ({first}); mend the file") from error

    def size(self, config: Any, what: Literal["layers", "hidden", "heads", "ffn_width"]) -> int:
        """One size of a model, read from its config under this architecture's name for it; layers are physical ones.

        Raises:
            NotApplicable: layers are shared in several groups.
        """
        if what == "layers" and self.shared_layers:
            for name in self.shared_layers:
                if getattr(config, name) != 1:
                    raise NotApplicable(
                        f"this checkpoint has {name} = {getattr(config, name)}, and axkit serves '{self.model_type}' "
                        f"with one group of shared layers; take such a checkpoint"
                    )
            return 1
        value = getattr(config, getattr(self.config, what))
        if value is None and what == "ffn_width" and self.config.ffn_over_hidden:
            value = self.config.ffn_over_hidden * self.size(config, "hidden")
        return int(value)

    def refuse_limited(self, ability: Ability) -> None:
        """Refuse what models of this architecture cannot do.

        Raises:
            NotApplicable: with the file's own reason.
        """
        if ability in self.limits:
            raise NotApplicable(
                f"family '{self.model_type}' cannot lose single {ability}: {self.limits[ability]}; remove whole blocks"
            )

    def tokens_at_most(self, config: Any) -> int | None:
        """Tokens that the position table has rows for; None where there is no table, or the config does not say."""
        flag = self.config.positions_if
        rows = getattr(config, self.config.positions, None) if self.config.positions else None
        if rows is None or (flag is not None and not getattr(config, flag, True)):
            return None
        kept = (getattr(config, "pad_token_id", None) or 0) + 1 if self.positions_after_padding else 0
        return int(rows) - kept

    def image_extent(self, config: Any) -> tuple[int, int]:
        """(height, width) of the images that a model reads."""
        return _pair(getattr(config, str(self.config.image_size)))

    def image_tokens(self, config: Any) -> int:
        """Tokens of an image: its patches, and those before them."""
        (height, width), (down, across) = (
            self.image_extent(config),
            _pair(getattr(config, str(self.config.patch_size))),
        )
        return (height // down) * (width // across) + self.leading_tokens


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a release; of a development version those before its suffix."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    if numbers is None:
        raise TypeError(version)
    return tuple(int(number) for number in numbers.group().split("."))


def _pair(size: Any) -> tuple[int, int]:
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))


def family_of(model_type: str) -> Family:
    """The family registered for exactly this ``model_type``.

    Raises:
        NotApplicable: no family of that name is registered, or the installed transformers is too old for it.
    """
    base = model_type.removeprefix("axkit_")
    known = registry.entries(registry.FAMILIES)
    if base not in known:
        raise NotApplicable(
            f"axkit knows no family '{base}' (it knows {', '.join(known)}); "
            f"describe it in a TOML file and register that under '{registry.FAMILIES}'"
        )
    family: Family = known[base].load_as(Family, "an axkit.Family")
    have = version("transformers")
    if family.since is not None and _release(have) < _release(family.since):
        raise NotApplicable(
            f"family '{base}' needs transformers {family.since} or later, and {have} is installed; upgrade it"
        )
    return family

"""A config held against the headers of its weights, before either takes memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from axkit.anatomy.family import Family
from axkit.checkpoint.config import is_own, outputs_of
from axkit.checkpoint.header import FLOATS, Header
from axkit.ground.errors import CheckpointError

_HEADS = re.compile(r"For(Sequence|Token|Image)Classification$")


def check_fit(folder: Path, config: Mapping[str, Any], family: Family, header: Header) -> None:
    """Refuse weights that cannot be those of a config: other sizes, other layers, no head, no floats.

    What remains (a name here or there) is found when the weights are loaded: transformers renames some on the way.

    Raises:
        CheckpointError: names the weight or the size.
    """
    own = is_own(config) or bool(config.get("quantization_config"))
    if not own:
        _check_numbers(folder, header)
        _check_layers(folder, config, family, header)
        _check_head(folder, config, family, header)
    _check_extents(folder, config, family, header, own)


def _check_numbers(folder: Path, header: Header) -> None:
    for name, tensor in header.items():
        is_weight = name.endswith((".weight", ".bias")) and not name.endswith(("attn.bias", ".masked_bias"))
        if is_weight and tensor["dtype"] not in FLOATS:
            raise CheckpointError(
                f"{folder}: '{name:.80}' is of kind {tensor['dtype']}, and weights are floats; take the model before "
                f"it was quantized"
            )
        if 0 in tensor["shape"]:
            raise CheckpointError(f"{folder}: '{name:.80}' is empty; save the model again")


def _layer(family: Family) -> str:
    """A pattern of weights of a layer, whose number it catches; releases call the list layer or layers."""
    part = re.escape(family.layers.rpartition(".")[2].removesuffix("s"))
    return rf"(?:^|\.){part}s?\.(\d{{1,6}})\."


def _check_layers(folder: Path, config: Mapping[str, Any], family: Family, header: Header) -> None:
    said = config.get(family.config.layers)
    if said is None or family.shared_layers:
        return
    found = {int(match.group(1)) for name in header if (match := re.search(_layer(family), name))}
    if found != set(range(said)):
        raise CheckpointError(
            f"{folder}: config.json says {family.config.layers} {said}, and the weights are of {len(found)}; copy "
            f"both again"
        )


def _check_head(folder: Path, config: Mapping[str, Any], family: Family, header: Header) -> None:
    """Some matrix outside layers and embeddings must have a row for each output that the config promises."""
    architecture = (config.get("architectures") or [""])[0]
    if not _HEADS.search(architecture):
        return
    wanted = outputs_of(config)
    base = re.compile(rf"embeddings|(?:^|\.)w[tp]e\.|{_layer(family)}")
    rows = [
        tensor["shape"][0] for name, tensor in header.items() if len(tensor["shape"]) == 2 and not base.search(name)
    ]
    if wanted not in rows:
        raise CheckpointError(
            f"{folder}: config.json promises {architecture} with {wanted} outputs, and the weights have no such head; "
            f"copy both again, or name the base model in 'architectures' to train a new head"
        )


def _check_extents(folder: Path, config: Mapping[str, Any], family: Family, header: Header, own: bool) -> None:
    """Each size that the config says stands in some weight: what is larger would take memory for nothing."""
    names = family.config
    sizes = [names.hidden, names.positions, "vocab_size", *(() if own else (names.ffn_width, names.token_types))]
    wanted = {name: config[name] for name in sizes if name and config.get(name)}
    if names.positions_if is not None and not config.get(names.positions_if, True):
        wanted.pop(str(names.positions), None)
    if family.inputs == "pixels" and names.image_size in config and names.patch_size in config:
        wanted["image_size"] = family.image_tokens(SimpleNamespace(**config))
    extents = {extent for tensor in header.values() for extent in tensor["shape"]}
    for name, size in wanted.items():
        if not any(size * times in extents for times in (1, 2, 3)):  # gate and value, or query, key and value, in one
            raise CheckpointError(
                f"{folder}: config.json says {name} {config[name]!r:.40}, and no weight is of that size; copy both "
                f"again"
            )

"""What of a carved model a stock class can hold: fewer layers, and one feed-forward width for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.family import Family
from axkit.anatomy.modules import NoLayer
from axkit.anatomy.structure import Structure
from axkit.checkpoint.sources import read_config
from axkit.ground.quiet import quiet
from axkit.runtimes.torch.loading import load_module
from axkit.runtimes.torch.module import ModuleBody


def stock_sizes(structure: Structure, family: Family) -> dict[str, int] | None:
    """The fields of config.json by which a stock class is as small; None where none can be.

    Args:
        structure: what is left of the model.
        family: its architecture.
    """
    left = [layer for layer in structure.layers if layer.present]
    widths = {len(layer.neurons) for layer in left}
    whole = all(
        layer.attention and layer.ffn and layer.hard_k is None and len(layer.heads) == structure.n_heads
        for layer in left
    )
    if not whole or structure.first_token_only or len(widths) != 1 or 0 in widths:
        return None
    sizes: dict[str, int] = {}
    if len(left) < len(structure.layers):
        if family.layer_attributes or family.shared_layers:  # what a layer does goes by its number in the dense model
            return None
        sizes[family.config.layers] = len(left)
    width = widths.pop()
    if width != structure.ffn_width:
        if family.config.ffn_over_hidden:  # Conv1D has its weights the other way round than what was cut of it
            return None
        sizes[family.config.ffn_width] = width
    return sizes


def save_as_stock(module: Any, structure: Structure, family: Family, folder: Path) -> list[Path] | None:
    """Save a model as one of a stock class, if that then answers the same; returns the files, or None.

    It is tried: what a family's model does between two layers may go by the number of the layer (DeBERTa's convolution
    comes after the first).

    Args:
        module: of a stock class, carved; as it was afterwards.
        structure: what is left of it.
        family: its architecture.
        folder: gets the files; none where None is returned.
    """
    sizes = stock_sizes(structure, family)
    if sizes is None or type(module).__name__.startswith("Axkit"):
        return None
    before = {path.name for path in folder.iterdir()}
    with _without_gaps(module, family, sizes), quiet():
        module.save_pretrained(folder)
    made = [path for path in sorted(folder.iterdir()) if path.name not in before]
    with torch.random.fork_rng(devices=[]):
        again = load_module(folder, read_config(folder))
    asked = _probe(module, family)
    expected, found = ModuleBody(module).answer(asked), ModuleBody(again).answer(asked)
    if all(torch.equal(expected[name], found[name]) for name in expected if name.endswith("logits")):
        return made
    for path in made:
        path.unlink()
    return None


def is_held_by_stock(config: Mapping[str, Any], structure: Structure, family: Family) -> bool:
    """Whether a stock config has the sizes that a structure leaves."""
    sizes = stock_sizes(structure, family)
    return sizes is not None and all(config.get(name) == size for name, size in sizes.items())


def with_gaps(module: Any, structure: Structure, family: Family) -> Any:
    """A model that was saved so, as it was: layers at their numbers in the dense model, and its sizes in the config."""
    real = iter(list(module.base_model.get_submodule(family.layers)))
    some = module.base_model.get_submodule(family.layers)[0]
    layers = [
        next(real) if layer.present else NoLayer(some, family.layer_attributes, family.layer_returns_tuple)
        for layer in structure.layers
    ]
    _put_layers(module, family, nn.ModuleList(layers))
    for name in stock_sizes(structure, family) or ():
        dense = len(structure.layers) if name == family.config.layers else structure.ffn_width
        setattr(module.config, name, dense)
    return module.eval()


@contextmanager
def _without_gaps(module: Any, family: Family, sizes: Mapping[str, int]) -> Iterator[None]:
    """The layers that are there one after the other, and their sizes in the config, for a while."""
    layers = module.base_model.get_submodule(family.layers)
    dense = {name: getattr(module.config, name) for name in sizes}
    try:
        _put_layers(module, family, nn.ModuleList([one for one in layers if not isinstance(one, NoLayer)]))
        for name, size in sizes.items():
            setattr(module.config, name, size)
        yield
    finally:
        _put_layers(module, family, layers)
        for name, size in dense.items():
            setattr(module.config, name, size)


def _put_layers(module: Any, family: Family, layers: nn.Module) -> None:
    parent, _, name = family.layers.rpartition(".")
    setattr(module.base_model.get_submodule(parent), name, layers)


def _probe(module: Any, family: Family) -> dict[str, Tensor]:
    """A few inputs that are not all alike."""
    config = module.config
    if family.inputs == "pixels":
        shape = (2, int(config.num_channels), *family.image_extent(config))
        return {"pixel_values": torch.linspace(-1, 1, 2 * shape[1] * shape[2] * shape[3]).view(shape)}
    ids = (torch.arange(2 * 7) * 5 + 3).view(2, 7) % int(config.vocab_size)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

"""The body that trains and is cut: a transformers model in PyTorch."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from axkit.anatomy.family import Family, family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import dense_structure
from axkit.checkpoint.sources import check_weights, read_config
from axkit.contract.manifest import MANIFEST, Manifest
from axkit.contract.subject import Subject
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet
from axkit.runtimes.manifest import check_described
from axkit.runtimes.torch import classes
from axkit.runtimes.torch.loading import load_module
from axkit.runtimes.torch.module import ModuleBody
from axkit.runtimes.torch.plain.write import save_config
from axkit.runtimes.torch.stock import is_held_by_stock, save_as_stock, with_gaps


class TorchBody(ModuleBody):
    """A transformers model; implements ``axkit.contract.body.Body``.

    Attributes:
        module: a ``PreTrainedModel``.
    """

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """Write safetensors and config.json: of the stock class where that rebuilds the model, else of our own."""
        from safetensors.torch import save_file

        before = {path.name for path in folder.iterdir()}
        if manifest.is_stock:
            with quiet():
                self.module.save_pretrained(folder)
            return [path for path in sorted(folder.iterdir()) if path.name not in before]
        if all(step.state is None for step in manifest.trail):
            stock = save_as_stock(self.module, manifest.structure, _family(self.module.config.model_type), folder)
            if stock is not None:
                return stock
        config, weights = folder / "config.json", folder / "model.safetensors"
        code = save_config(self.module, manifest, folder)
        tensors = {name: tensor.detach().contiguous() for name, tensor in self.module.state_dict().items()}
        try:
            save_file(tensors, weights, metadata={"format": "pt"})
        except Exception as error:
            _raise_if_full(error, folder)
            raise
        # safetensors writes for the owner alone; a deployment may run as another user
        weights.chmod(config.stat().st_mode)
        return [config, weights, *code]

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """In eval mode; every weight comes from the files.

        Raises:
            CheckpointError: a pickle; weights are missing, left over, of another shape, or no numbers; or manifest and
                config say different things.
        """
        check_weights(folder)
        config, left = read_config(folder), manifest.structure
        _refuse_two_stories(folder, config, left)
        module = load_module(folder, config)
        if config.get("axkit") is None and not left.is_dense:
            module = with_gaps(module, left, _family(config["model_type"]))
        return cls(module)


def torch_subject(
    module: Any, family: Family | None = None, structure: Structure | None = None, reader: Any = None
) -> Subject:
    """A transformers model, ready for a pass.

    Args:
        module: a ``PreTrainedModel`` with a head.
        family: its architecture; None: the registered one of its config.
        structure: what is left of it; None: all.
        reader: its tokenizer or image reader, where it will be asked about rows.

    Raises:
        NotApplicable: no family is registered for it.
    """
    known = family or _family(module.config.model_type)
    return Subject(TorchBody(module), reader, known, structure or dense_structure(module, known))


def _family(model_type: Any) -> Family:
    return family_of(str(model_type).removeprefix(classes.PREFIX))


def _raise_if_full(error: Exception, folder: Path) -> None:
    """safetensors wraps the operating system's error in one of its own."""
    if "No space left" in str(error) or "os error 28" in str(error):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _refuse_two_stories(folder: Path, config: Mapping[str, Any], structure: Structure) -> None:
    """The manifest's structure must be the one that the config rebuilds; none there is what a stock class can hold."""
    inside = config.get("axkit")
    if inside is None:
        agree = structure.is_dense or is_held_by_stock(config, structure, _family(config["model_type"]))
    else:
        agree = check_described(inside, folder / "config.json")[0] == structure
    if not agree:
        raise CheckpointError(
            f"{folder}/{MANIFEST} and config.json say different things of what is left of the model; copy the whole "
            f"folder again"
        )

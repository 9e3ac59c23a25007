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
from axkit.checkpoint.sources import read_config
from axkit.contract.manifest import MANIFEST, Manifest
from axkit.contract.subject import Subject
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet
from axkit.runtimes.manifest import check_described
from axkit.runtimes.torch import classes
from axkit.runtimes.torch.loading import load_weights
from axkit.runtimes.torch.module import ModuleBody
from axkit.runtimes.torch.plain.write import save_config


class TorchBody(ModuleBody):
    """A transformers model; implements :class:`axkit.contract.body.Body`."""

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """Write safetensors and config.json: of the stock class where that rebuilds the model, else of our own."""
        from safetensors.torch import save_file

        before = {path.name for path in folder.iterdir()}
        if manifest.is_stock:
            with quiet():
                self.module.save_pretrained(folder)
            return [path for path in sorted(folder.iterdir()) if path.name not in before]
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
            CheckpointError: weights are missing, left over, of another shape, or no numbers; or manifest and config
                say different things.
        """
        config = read_config(folder)
        _refuse_two_stories(folder, config, manifest.structure)
        return cls(load_module(folder, config))


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
    known = family or family_of(str(module.config.model_type).removeprefix(classes.PREFIX))
    return Subject(TorchBody(module), reader, known, structure or dense_structure(module, known))


def _raise_if_full(error: Exception, folder: Path) -> None:
    """safetensors wraps the operating system's error in one of its own."""
    if "No space left" in str(error) or "os error 28" in str(error):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _refuse_two_stories(folder: Path, config: Mapping[str, Any], structure: Structure) -> None:
    """The manifest's structure must be the one that the config rebuilds; none there is a dense model."""
    inside = config.get("axkit")
    told = None if inside is None else check_described(inside, folder / "config.json")[0]
    if (told is None and not structure.is_dense) or (told is not None and told != structure):
        raise CheckpointError(
            f"{folder}/{MANIFEST} and config.json say different things of what is left of the model; copy the whole "
            f"folder again"
        )


def load_module(folder: Path, config: Mapping[str, Any]) -> Any:
    """The transformers model of a folder, in eval mode; every weight comes from the files.

    Raises:
        CheckpointError: weights are missing, left over, of another shape, or no numbers.
    """
    names = config.get("architectures") or ["?"]
    module = load_weights(_class_of(names[0], config, folder).from_pretrained, folder, config)
    if getattr(module, "hf_quantizer", None) is not None:
        # transformers 5.23 cannot undo how it loaded quantized weights, and without this would not save them again
        module.__dict__.pop("_weight_conversions", None)
    return module


def _class_of(name: str, config: Mapping[str, Any], folder: Path) -> Any:
    """The class that a config names: one of ours, or a model of transformers that is of the config's type."""
    import transformers

    found = getattr(classes, name, None) if name.startswith("Axkit") else getattr(transformers, name, None)
    is_model = isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)
    if found is None or not is_model or getattr(found.config_class, "model_type", None) != config["model_type"]:
        raise CheckpointError(
            f"{folder}/config.json names the architecture {name}, which is none of {config['model_type']}; give "
            f"another checkpoint"
        )
    return found

"""Weights into a model: every one from the files, every one a number. The one place that calls ``from_pretrained``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from axkit.anatomy.family import Family, family_of
from axkit.checkpoint.weights import INDEX, SINGLE, weight_files, weight_map
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet, quiet_quantizers
from axkit.runtimes.manifest import check_described
from axkit.runtimes.torch import classes
from axkit.runtimes.torch.view import fence, view

_COUNTED = (".position_ids", ".token_type_ids")  # once saved, though they only count: some releases ignore them so


def load_weights(
    load: Callable[..., Any], folder: Path, config: Mapping[str, Any], whole: bool = True, **options: Any
) -> Any:
    """A transformers model, in eval mode.

    Args:
        load: ``from_pretrained`` of its class.
        folder: a checked checkpoint.
        config: of it, as ``axkit.checkpoint.sources.read_config`` gives it.
        whole: every weight comes from the files; else the head may be drawn anew, and what is there of another head is
            passed over.
        options: for ``load``.

    Raises:
        CheckpointError: weights are missing, left over, of another shape, or no numbers.
    """
    if config.get("axkit") is not None:
        check_described(config["axkit"], folder / "config.json")
    quiet_quantizers()
    if config.get("quantization_config") is not None:  # else it would land on a GPU that it finds; models rest here
        options.setdefault("device_map", {"": "cpu"})
    names = [path.name for path in weight_files(folder)]
    made_up: dict[str, Any] = {"config.json": config}
    if names != [SINGLE]:
        made_up[INDEX] = {"metadata": {}, "weight_map": weight_map(folder)}
    options |= {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    with view(folder, names, made_up) as checked, quiet():
        with fence(folder, "does not load", "copy the whole folder again, or save the model again"):
            try:
                module, info = load(str(checked), trust_remote_code=False, ignore_mismatched_sizes=not whole, **options)
            except RuntimeError as error:
                if "mismatch" not in str(error):
                    raise
                raise CheckpointError(
                    f"the weights in {folder} do not fit its config.json (other shapes); copy both again"
                ) from error
        module.config.name_or_path = module.name_or_path = str(folder)
    _judge(info, module, folder, whole)
    _refuse_no_numbers(module, folder)
    with fence(folder, "loads, and answers nothing", "restore config.json, or save the model again"):
        _ask(module.eval())
    return module


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


def _ask(module: Any) -> None:
    """One forward of the smallest input there is: what a config says of the layers' code shows only then."""
    family = family_of(str(module.config.model_type))
    if family.inputs == "pixels":
        inputs = {"pixel_values": torch.zeros(1, module.config.num_channels, *family.image_extent(module.config))}
    else:
        inputs = {
            "input_ids": torch.zeros(1, 2, dtype=torch.long),
            "attention_mask": torch.ones(1, 2, dtype=torch.long),
        }
    with torch.inference_mode():
        module(**{name: value.to(module.device) for name, value in inputs.items()})


def _judge(info: Mapping[str, Any], module: Any, folder: Path, whole: bool) -> None:
    family = family_of(str(module.config.model_type))
    prefix = f"{module.base_model_prefix}."
    other = {one if isinstance(one, str) else one[0] for one in info["mismatched_keys"]}
    missing = sorted(name for name in {*info["missing_keys"], *other} if whole or _is_of_base(name, prefix, other))
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} weights of its own architecture ('{missing[0]}' first), or has them in "
            f"another shape; copy or save it again"
        )
    own = {name for name, _ in module.base_model.named_children()}  # a base model's own file says no prefix
    left = sorted(name for name in info["unexpected_keys"] if not _may_be_left(name, prefix, family, whole, own))
    if left:
        raise CheckpointError(
            f"the weights in {folder} do not fit its config.json: {len(left)} of them have no place in it ('{left[0]}' "
            f"first); copy both again"
        )


def _is_of_base(name: str, prefix: str, other: set[str]) -> bool:
    """Whether a recipe's training cannot be left to draw a weight anew; a pooler it can, unless one is there."""
    return name.startswith(prefix) and (name in other or ".pooler." not in name)


def _may_be_left(name: str, prefix: str, family: Family, whole: bool, own: set[str]) -> bool:
    """Whether a weight may stay in the file: one of pretraining, or of a pooler that this head does not read."""
    below = name.removeprefix(prefix).split(".")[0]
    if below == "pooler" or below in family.pretraining or name.endswith(_COUNTED):
        return True
    return not whole and not name.startswith(prefix) and below not in own


def _refuse_no_numbers(module: Any, folder: Path) -> None:
    for name, tensor in module.state_dict().items():
        if torch.is_tensor(tensor) and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{folder}: '{name}' holds values that are no numbers (NaN or infinite); take a model whose training "
                f"did not diverge"
            )

"""config.json by types and ranges, before transformers sees it; what in it could run or fetch code is left out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from axkit.anatomy.family import Family
from axkit.checkpoint.foreign import what_it_is
from axkit.contract.manifest import MODELING
from axkit.ground.errors import CheckpointError
from axkit.ground.files import read_object

NAME = "config.json"
PREFIX = "axkit_"

# whole numbers: field -> least, most. Most is far above any model, and keeps a typing error from taking the memory.
_WIDTH, _ROWS = (1, 1 << 17), (1, 1 << 24)
_WHOLE: dict[str, tuple[int, int]] = {
    "vocab_size": _ROWS,
    "max_position_embeddings": _ROWS,
    "n_positions": _ROWS,
    "type_vocab_size": (0, 1 << 16),
    "num_labels": (1, 1 << 20),
    "num_hidden_layers": (1, 1000),
    "num_attention_heads": (1, 4096),
    "hidden_size": _WIDTH,
    "embedding_size": _WIDTH,
    "pooler_hidden_size": _WIDTH,
    "pooler_output_size": _WIDTH,
    "num_hidden_groups": (1, 1000),
    "inner_group_num": (1, 1000),
    "num_channels": (1, 64),
    "encoder_stride": (1, 10_000),
    "local_attention": _ROWS,
    "global_attn_every_n_layers": (1, 1000),
    "conv_kernel_size": (0, 1000),
    "position_buckets": (-1, 1 << 16),
    "max_relative_positions": (-1, 1 << 24),
    "pad_token_id": (-1, (1 << 24) - 1),
}
_FLAGS = (
    *("add_cross_attention", "attention_bias", "decoder_bias", "is_decoder", "is_encoder_decoder", "mlp_bias"),
    *("norm_bias", "position_biased_input", "qkv_bias", "relative_attention", "scale_attn_weights", "share_att_key"),
    *("sinusoidal_pos_embds", "tie_word_embeddings", "use_cache"),
)
_PROBLEMS = ("regression", "single_label_classification", "multi_label_classification")
_KINDS = ("float32", "float16", "bfloat16", "float64")

# Left out: how a call computes or what it returns, where files lie, and who may replace code. Nothing of it belongs to
# the function that the weights compute, and transformers would fetch kernels or other weights for some of it.
_LEFT_OUT = (
    *("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset"),
    *("experts_implementation", "_experts_implementation", "_experts_implementation_internal"),
    *("transformers_weights", "distributed_config", "fusion_config", "kernel_config", "use_kernels", "device_map"),
    *("tp_plan", "base_model_tp_plan", "base_model_pp_plan", "_name_or_path", "name_or_path", "_commit_hash"),
    *("output_attentions", "output_hidden_states", "return_dict", "use_return_dict", "torchscript"),
    "auto_map",
    *("chunk_size_feed_forward", "gradient_checkpointing", "custom_pipelines", "reference_compile"),
)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint folder, checked by ``check_config``, without what could run or fetch code.

    Of a folder of axkit's that is the ``auto_map`` by which transformers alone finds the modeling file in it.

    Raises:
        CheckpointError: missing, damaged, or of a model with code of its own.
    """
    path = folder / NAME
    try:
        config = read_object(path)
    except FileNotFoundError:
        raise no_checkpoint(folder) from None
    check_config(config, path)
    return {key: value for key, value in config.items() if key not in _LEFT_OUT}


def no_checkpoint(folder: Path) -> CheckpointError:
    """The refusal of a folder that has no config.json, by what is there instead."""
    otherwise = f"{folder} is no checkpoint: it has no config.json"
    whole = os.path.lexists(folder / "model.safetensors")
    return CheckpointError(otherwise if whole else what_it_is(folder, otherwise))


def check_config(config: Mapping[str, Any], path: Path) -> None:
    """Hold the fields that every family shares to their types and ranges.

    Raises:
        CheckpointError: names the field, and what it should be.
    """
    if config.get("auto_map") and not _is_own_map(config):
        raise CheckpointError(
            f"{path} names code of its own (auto_map), which axkit never runs; take a checkpoint of a stock "
            f"architecture"
        )
    if not isinstance(config.get("model_type"), str):
        raise CheckpointError(f"{path} names no model_type: it is no transformers checkpoint")
    for name, wanted in _faults(config):
        value = config.get(name)
        said = f"the text {value!r:.40}" if isinstance(value, str) else f"{value!r:.60}"
        raise CheckpointError(f"{path}: {name} is {said}, not {wanted}; restore the file or save the model again")


def check_sizes(config: Mapping[str, Any], family: Family, path: Path) -> None:
    """Hold the sizes that a family names to their ranges, and to each other.

    Raises:
        CheckpointError: a size is no whole number in its range, or the heads do not divide the width.
    """
    names = family.config
    ranges = {names.layers: (1, 1000), names.hidden: _WIDTH, names.heads: (1, 4096), names.ffn_width: (1, 1 << 21)}
    for name, (least, most) in ranges.items():
        value = config.get(name)
        if value is not None and not _is_whole(value, least, most):
            raise CheckpointError(
                f"{path}: {name} is {value!r:.60}, not a whole number from {least} to {most}; restore the file or save "
                f"the model again"
            )
    hidden, heads = config.get(names.hidden), config.get(names.heads)
    if hidden and heads and hidden % heads:
        raise CheckpointError(
            f"{path}: {names.heads} {heads} does not divide {names.hidden} {hidden}; restore the file or save the "
            f"model again"
        )
    image, patch = str(names.image_size), str(names.patch_size)
    if family.inputs == "pixels" and image in config and patch in config:
        said = SimpleNamespace(**{name: config[name] for name in (image, patch)})
        if not all(_is_extent(value) for value in vars(said).values()) or family.image_tokens(said) < 1:
            raise CheckpointError(
                f"{path}: {image} {config[image]!r:.40} and {patch} "
                f"{config[patch]!r:.40} make no image of patches; restore the file or save the model again"
            )


def _is_own_map(config: Mapping[str, Any]) -> bool:
    """Whether axkit wrote it: it names classes of the modeling file alone. It is left out all the same."""
    named, own = config["auto_map"], re.compile(re.escape(MODELING.removesuffix("py")) + r"Axkit\w{1,99}", re.ASCII)
    listed = isinstance(named, dict) and all(isinstance(one, str) and own.fullmatch(one) for one in named.values())
    return listed and str(config.get("model_type")).startswith(PREFIX)


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether axkit wrote it for a model that no stock class rebuilds."""
    return str(config["model_type"]).startswith(PREFIX)


def outputs_of(config: Mapping[str, Any]) -> int:
    """Outputs of the head that a config describes; 2 where it says nothing, as in transformers."""
    return len(config.get("id2label") or ()) or int(config.get("num_labels") or 2)


def _faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, what it should be) of each fault."""
    for name, (least, most) in _WHOLE.items():
        if config.get(name) is not None and not _is_whole(config[name], least, most):
            yield name, f"a whole number from {least} to {most}"
    for name in _FLAGS:
        if config.get(name) is not None and not isinstance(config[name], bool):
            yield name, "true or false"
    for name, value in config.items():
        if re.search(r"dropout(_prob)?$|_pdrop$|_dropout_|^dropout$", name) and not _is_share(value):
            yield name, "a share from 0 to 1"
        elif re.search(r"norm_eps(ilon)?$", name) and not (_is_number(value) and 0 < value < 1):
            yield name, "a number between 0 and 1"
        elif _is_number(value) and not -1e15 < value < 1e15:
            yield name, "a number of this size"
    architectures = config.get("architectures")
    if architectures is not None and not (
        isinstance(architectures, list)
        and all(isinstance(one, str) and re.fullmatch(r"[A-Za-z]\w{0,99}", one, re.ASCII) for one in architectures)
    ):
        yield "architectures", "a list of class names"
    for name in ("dtype", "torch_dtype"):
        if config.get(name) is not None and str(config[name]).removeprefix("torch.") not in _KINDS:
            yield name, f"one of {', '.join(_KINDS)}"
    pad, rows = config.get("pad_token_id"), config.get("vocab_size")
    if type(pad) is int and type(rows) is int and pad >= rows:
        yield "pad_token_id", f"one of the vocabulary's {rows} rows"
    yield from _head_faults(config)


def _head_faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    names = config.get("id2label")
    if names is not None and not isinstance(names, dict):
        yield "id2label", "an object of number -> name"
    elif names and (
        set(names) != {str(index) for index in range(len(names))}
        or not all(isinstance(name, str | int | float) for name in names.values())
    ):
        yield "id2label", f"a name for each of the numbers 0 to {len(names) - 1}"
    elif names and config.get("num_labels", len(names)) not in (len(names), None):
        yield "num_labels", f"the {len(names)} that id2label names"
    if config.get("label2id") is not None and not isinstance(config["label2id"], dict):
        yield "label2id", "an object of name -> number"
    if config.get("problem_type") is not None and config["problem_type"] not in _PROBLEMS:
        yield "problem_type", f"one of {', '.join(_PROBLEMS)}"
    elif config.get("problem_type") == "single_label_classification" and outputs_of(config) == 1:
        yield "problem_type", "'regression', which one output is"


def _is_whole(value: Any, least: int, most: int = 1 << 60) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_share(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 <= value <= 1)


def _is_extent(value: Any) -> bool:
    pair = value if isinstance(value, list) else [value, value]
    return len(pair) == 2 and all(_is_whole(one, 1, 100_000) for one in pair)

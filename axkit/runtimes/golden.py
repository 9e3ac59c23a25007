"""Golden batches: what a model answered when its folder was written, for whoever loads it somewhere else.

The inputs are of several shapes: one token, fewer than the K of hard attention, K, rows of several lengths, and a full
batch. Ids are drawn and kept; pixels follow from their place and are made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from axkit.anatomy.structure import Structure
from axkit.checkpoint.header import read_header
from axkit.contract.manifest import GOLDEN
from axkit.contract.subject import Subject
from axkit.runtimes.torch.view import fence

Batches = dict[str, dict[str, Tensor]]
_ROWS, _TOKENS = 32, 128  # of the full batch
_SHAPE = "pixel_shape"


@dataclass(frozen=True)
class Golden:
    """Batches and what was answered.

    Attributes:
        inputs: batch -> input -> (rows, ...).
        answers: batch -> output -> (rows, ...).
    """

    inputs: Batches
    answers: Batches


def write_golden(subject: Subject, reader: Any, folder: Path) -> None:
    """Ask a model, and note what it says beside it; some kilobytes.

    Args:
        subject: as it was saved.
        reader: of its inputs.
        folder: of the model.
    """
    from safetensors.torch import save_file

    inputs = golden_inputs(subject, reader)
    tensors: dict[str, Tensor] = {}
    for case, batch in inputs.items():
        for name, value in subject.body.answer(batch).items():
            if name.endswith("logits"):
                tensors[f"{case}/out/{name}"] = value.clone().contiguous()
        for name, value in batch.items():
            if name == "pixel_values":
                tensors[f"{case}/in/{_SHAPE}"] = torch.tensor(value.shape)
            else:
                tensors[f"{case}/in/{name}"] = value.to(torch.int32)
    save_file(tensors, folder / GOLDEN)
    (folder / GOLDEN).chmod((folder / "config.json").stat().st_mode)


def read_golden(folder: Path) -> Golden | None:
    """What ``write_golden`` noted; None where nothing was, as before there was such a thing.

    Raises:
        CheckpointError: it is damaged.
    """
    from safetensors.torch import load_file

    path = folder / GOLDEN
    if not path.is_file():
        return None
    read_header(path)
    inputs: Batches = {}
    answers: Batches = {}
    with fence(folder, f"holds a {GOLDEN} that cannot be read", "copy the whole folder again"):
        for key, value in load_file(path).items():
            case, side, name = key.split("/")
            if name == _SHAPE:
                inputs.setdefault(case, {})["pixel_values"] = _pixels(*value.tolist())
            elif side == "in":
                inputs.setdefault(case, {})[name] = value.long()
            else:
                answers.setdefault(case, {})[name] = value
    return Golden(inputs, answers)


def golden_inputs(subject: Subject, reader: Any) -> Batches:
    """Batches for a model, by what they are."""
    config = SimpleNamespace(**subject.body.config)
    if subject.family.inputs == "pixels":
        extent = (int(config.num_channels), *subject.family.image_extent(config))
        return {f"{rows} images": {"pixel_values": _pixels(rows, *extent)} for rows in (1, 5, _ROWS)}
    most = min(_TOKENS, int(reader.model_max_length), subject.family.tokens_at_most(config) or _TOKENS)
    shapes = {"1 x 1": (1, 1), **_around(subject.structure, most), f"{_ROWS} x {most}": (_ROWS, most)}
    draw = torch.Generator().manual_seed(0)
    made = {case: _tokens(*shape, config, reader, draw) for case, shape in shapes.items()}
    made["padded"] = _padded(_tokens(4, min(24, most), config, reader, draw), reader)
    return made


def at_tokens(output: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
    """One output of several batches, without what is said of padding, of which each runtime says what it likes.

    Args:
        output: of each batch, (rows, ...).
        masks: of each batch, (rows, tokens) bool, True at tokens; none of images.

    Returns:
        (tokens, ...) each, where it is (rows, tokens, ...) in every batch; else as it is.
    """
    if not masks or any(one.shape[:2] != mask.shape for one, mask in zip(output, masks, strict=True)):
        return list(output)
    return [one[mask] for one, mask in zip(output, masks, strict=True)]


def _around(structure: Structure, most: int) -> dict[str, tuple[int, int]]:
    """Fewer tokens than the least K of hard attention, and K; seven where there is none."""
    numbers = [layer.hard_k for layer in structure.layers if isinstance(layer.hard_k, int)]
    k = min(numbers, default=0)
    if not 1 < k <= most:
        return {"2 x 7": (2, min(7, most))}
    return {"fewer than K": (2, k - 1), "K": (2, k)}


def _tokens(rows: int, length: int, config: Any, reader: Any, draw: torch.Generator) -> dict[str, Tensor]:
    vocabulary, pad = int(config.vocab_size), int(reader.pad_token_id or 0)
    ids = torch.randint(vocabulary, (rows, length), generator=draw)
    ids[ids == pad] = (pad + 1) % vocabulary
    made = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "token_type_ids" in reader.model_input_names:
        second = torch.arange(length) >= length // 2 + 1
        types = int(getattr(config, "type_vocab_size", 1))
        made["token_type_ids"] = (second & (types > 1)).long().expand(rows, length).contiguous()
    return made


def _padded(batch: Mapping[str, Tensor], reader: Any) -> dict[str, Tensor]:
    """Rows of several lengths, the last of one token."""
    rows, length = batch["input_ids"].shape
    lengths = torch.tensor([max(1, length * (rows - row) // rows) for row in range(rows - 1)] + [1])
    kept = torch.arange(length) < lengths[:, None]
    made = {name: value * kept for name, value in batch.items()}
    made["input_ids"] = made["input_ids"].masked_fill(~kept, int(reader.pad_token_id or 0))
    return made


def _pixels(rows: int, channels: int, height: int, width: int) -> Tensor:
    """Values from -1 to 1 that follow from their place: (rows, channels, height, width) float32."""
    r, c, y, x = (torch.arange(n) for n in (rows, channels, height, width))
    place = 31 * r[:, None, None, None] + 17 * c[:, None, None] + 7 * y[:, None] + 13 * x
    return (place + y[:, None] * x) % 255 / 127.0 - 1.0

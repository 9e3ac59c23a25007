"""A whole model in 8 bits: which layers, with which activation scales, and what each of them costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from axkit.kit import (
    Range,
    divergence,
    divergence_key,
    embedding_at,
    embedding_names,
    input_ranges,
    learned_ranges,
    linear_at,
    linear_names,
    replace_module,
)
from axkit_plugins.quantize.int8.modules import Int8Embedding, Int8Linear

if TYPE_CHECKING:
    from axkit import Subject, Tools
    from axkit_plugins.quantize.int8.settings import Int8Config

REDUCED = 63  # 255 * 2 * 63 < 32768
Table = list[dict[str, str | float]]
New = Int8Linear | Int8Embedding


@dataclass(frozen=True)
class Replaced:
    """What became of the layers, by name.

    Attributes:
        linear: linear layers that are in 8 bits.
        embedding: embeddings that are.
        static: of the linear layers, those whose inputs have a fixed range.
        float: what stays as it was to hold ``max_drop``, the most sensitive first.
    """

    linear: list[str]
    embedding: list[str]
    static: list[str]
    float: list[str]

    def to_json(self) -> dict[str, list[str]]:
        """The state for ``restore``."""
        return asdict(self)


def quantize_model(subject: Subject, config: Int8Config, tools: Tools) -> tuple[Replaced, Table]:
    """Replace modules in place; returns which, and the sensitivity table, the worst layer first."""
    model: nn.Module = subject.module.eval()
    linear = linear_names(subject, config.skip)
    embeddings = embedding_names(subject) if config.embeddings else []
    ranges = _ranges(subject, linear, config, tools)
    largest = REDUCED if config.reduce_range else 127
    new: dict[str, New] = {
        name: Int8Linear.from_float(linear_at(model, name), ranges.get(name), largest) for name in linear
    }
    new |= {name: Int8Embedding.from_float(embedding_at(model, name)) for name in embeddings}
    table = _sensitivity(model, new, config.sensitivity_rows, tools)
    worst_first = sorted(table, key=lambda name: -table[name])
    left = _left_in_float(model, new, worst_first, config.max_drop, tools) if config.max_drop is not None else []
    for name, module in new.items():
        if name not in left:
            replace_module(model, name, module)
    replaced = Replaced(
        linear=[name for name in linear if name not in left],
        embedding=[name for name in embeddings if name not in left],
        static=[name for name in linear if name not in left and name in ranges],
        float=left,
    )
    moved = divergence_key(tools.search.kind)
    rows: Table = [
        {"layer": name, moved: table[name], "stored_in": "float" if name in left else "int8"} for name in worst_first
    ]
    return replaced, rows


def _ranges(subject: Subject, names: Sequence[str], config: Int8Config, tools: Tools) -> dict[str, Range]:
    """Fixed activation ranges: learned by an earlier pass, or measured now; empty for scales taken at each call."""
    if config.activations == "dynamic":
        return {}
    learned = learned_ranges(subject)
    if learned is not None:
        return {name: learned[name] for name in names if name in learned}
    if config.activations == "auto":
        return {}
    with tools.device.holding(subject.module):
        return input_ranges(subject.module, names, tools.train, config.calibration_rows, config.calibration)


def _sensitivity(model: nn.Module, new: Mapping[str, New], rows: int, tools: Tools) -> dict[str, float]:
    """Layer -> how far the output on search rows moves when it alone is quantized."""
    if not rows:
        return {}
    batch = tools.search.batch(range(min(rows, len(tools.search))))
    found = {}
    with torch.inference_mode():
        kind = tools.search.kind
        expected = kind.logits(model(**batch.inputs)).float()
        for name in tools.progress.track(list(new), "sensitivity of layers"):
            old = model.get_submodule(name)
            replace_module(model, name, new[name])
            found[name] = divergence(kind, expected, kind.logits(model(**batch.inputs)).float())
            replace_module(model, name, old)
    return found


def _left_in_float(
    model: nn.Module, new: Mapping[str, New], worst_first: Sequence[str], max_drop: float, tools: Tools
) -> list[str]:
    """The fewest of the most sensitive layers that must stay in float, by bisection on the search split.

    Fewer layers in 8 bits need not mean a better score, so this is the least that bisection meets, and what it returns
    was measured to hold (nothing quantized always does). What an interrupted run measured is in the journal.
    """
    old = {name: model.get_submodule(name) for name in new}
    known = {line["layers_in_float"]: line["holds"] for line in tools.journal.read() if "layers_in_float" in line}
    tools.processes.wait()  # nobody writes before all have read
    floor = tools.search.evaluate(model).score - max_drop

    def holds(count: int) -> bool:
        if count in known:
            return bool(known[count])
        for name in new:
            replace_module(model, name, old[name] if name in worst_first[:count] else new[name])
        score = tools.search.evaluate(model).score
        if tools.processes.is_main:
            tools.journal.write(layers_in_float=count, metric_search=score, holds=score >= floor)
        return bool(score >= floor)

    low, high = 0, len(worst_first)
    while low < high:
        middle = (low + high) // 2 if low or high < len(worst_first) else 0  # all at once first: it often holds
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    for name in new:
        replace_module(model, name, old[name])
    return list(worst_first[:high])

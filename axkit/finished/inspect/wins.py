"""What could be won on a model, by its sizes and times alone; and a recipe that tries it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from axkit.anatomy.family import Family
from axkit.finished.inspect.parts import ATTENTION, FFN
from axkit.ground.cpu import expects_bfloat16
from axkit.tasks.kinds.kind import Kind

_CUT = 0.5  # of attention and feed-forward, for the sake of a figure
_HALF, _BYTE = 2, 1


@dataclass(frozen=True)
class Win:
    """What a step would win.

    Attributes:
        step: a pass, or several.
        bytes: of the model afterwards.
        speedup: throughput as a multiple of now; None where sizes do not tell.
        by: what the estimate goes by.
        note: what it leaves open.
    """

    step: str
    bytes: int
    speedup: float | None
    by: str
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(vars(self))


def wins(model: Any, parts: Mapping[str, int], seconds: Mapping[str, float]) -> tuple[Win, ...]:
    """What could be won on a model in floats; nothing of one that has none left."""
    whole, floats = sum(parts.values()), _float_bytes(model)
    wide = sum(one.weight.nbytes for one in model.modules() if _is_matrix(one))
    if 2 * wide < whole:  # most of it is in fewer bits already
        return ()
    inside = parts.get(ATTENTION, 0) + parts.get(FFN, 0)
    shares = seconds.get(ATTENTION, 0.0) + seconds.get(FFN, 0.0)
    spent = sum(seconds.values())
    faster = 1 / (1 - _CUT * shares / spent) if spent else None
    return (
        Win("bf16", whole - floats + floats * _HALF // 4, None, "sizes", _bfloat16()),
        Win("int8", whole - wide + wide * _BYTE // 4, None, "sizes", "speed goes by the processor: the pass times it"),
        Win(
            "axformer_prune (budget) and mend",
            whole - round(_CUT * inside),
            faster,
            "sizes and times",
            "where half of attention and feed-forward can go; what that costs only your rows tell",
        ),
    )


def _is_matrix(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(module, nn.Linear | nn.Embedding) and weight is not None and weight.element_size() == 4


def _float_bytes(model: Any) -> int:
    return sum(one.nbytes for one in model.parameters() if one.is_floating_point() and one.element_size() == 4)


def _bfloat16() -> str:
    found = {
        True: "this processor multiplies bfloat16",
        False: "this processor does not multiply bfloat16: slower here",
    }
    return found.get(expects_bfloat16(), "whether it is faster here is not known")  # type: ignore[arg-type]


def starting_recipe(folder: Path, kind: Kind | None, family: Family, labels: Sequence[str]) -> str:
    """A recipe to start from, with comments; the names of files and columns are yours to write.

    Args:
        folder: of the model.
        kind: of the task that its head is for; None: it has no head, and classification is taken.
        family: its architecture.
        labels: names of its outputs, where they have any.
    """
    pixels = family.inputs == "pixels"
    name = kind.name if kind else "image_classification" if pixels else "classification"
    columns = ["  image: image"] if pixels else [f"  text: {_texts(kind)}"]
    first = [] if kind else ["  - pass: finetune  # the model has no head for the task yet", "    epochs: 2"]
    return "\n".join(
        [
            "axkit: 1",
            "name: first-try",
            f"model: {json.dumps(str(folder))}",
            "task:",
            f"  kind: {name}",
            "  files: {train: train.csv, test: test.csv}  # yours",
            *columns,
            "  label: label" + (f"  # the model knows {', '.join(labels[:6])}" if kind and labels else ""),
            "passes:",
            *first,
            "  - pass: axformer_prune  # takes heads, neurons and blocks out, and mends what is left",
            "    objective: budget",
            "    criterion: calibrated_loss",
            "    speedup: 1.8",
            "    max_drop: 1.0",
            "  - pass: int8  # a quarter of the bytes; leaves layers in float that cost more than half a point",
            "    budget: {max_drop: 0.5}",
            "",
        ]
    )


def _texts(kind: Kind | None) -> str:
    return "[question, context]" if kind is not None and min(kind.takes) == 2 else "text"

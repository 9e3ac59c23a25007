"""What could be won on a model, by its sizes and times alone; and a recipe that tries it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from axkit.anatomy.family import Family
from axkit.contract.registered import load_pass
from axkit.contract.subject import Subject
from axkit.contract.traits import FLOAT_WEIGHTS, FULL_PRECISION
from axkit.finished.inspect.parts import ATTENTION, FFN
from axkit.ground.cpu import expects_bfloat16
from axkit.ground.errors import AxkitError
from axkit.tasks.kinds.kind import Kind

_CUT = 0.5  # of attention and feed-forward, for the sake of a figure
_FULL, _HALF, _BYTE = 4, 2, 1  # bytes of a number


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


def ended_by(subject: Subject) -> str:
    """The pass that left too few bits for others to work on; empty where none did, or nobody knows."""
    for step in subject.trail:
        with suppress(AxkitError):  # it is not installed, and was not needed to load the model
            if load_pass(step.name).pass_class.ends & {FLOAT_WEIGHTS, FULL_PRECISION}:
                return step.name
    return ""


def wins(model: Any, parts: Mapping[str, int], seconds: Mapping[str, float]) -> tuple[Win, ...]:
    """What could be won on a model that passes can work on, which a recipe opens in float32.

    Args:
        model: as it is stored.
        parts: its bytes, by part.
        seconds: its time, by part; empty where it was not timed.
    """
    weights = [one for one in model.parameters() if one.is_floating_point()]
    floats = sum(one.numel() for one in weights)
    tables = sum(one.weight.numel() for one in model.modules() if isinstance(one, nn.Linear | nn.Embedding))
    stored = sum(parts.values())
    whole = stored + _FULL * floats - sum(one.nbytes for one in weights)
    inside, spent = (sum(one.get(part, 0) for part in (ATTENTION, FFN)) for one in (parts, seconds))
    all_of_it = sum(seconds.values())
    return (
        Win("bf16", whole - (_FULL - _HALF) * floats, None, "sizes", _bfloat16()),
        Win("int8", whole - (_FULL - _BYTE) * tables, None, "sizes", "speed goes by the processor: the pass times it"),
        Win(
            "axformer_prune (budget) and mend",
            whole - round(_CUT * inside * whole / stored),
            1 / (1 - _CUT * spent / all_of_it) if all_of_it else None,
            "sizes and times",
            "where half of attention and feed-forward can go; what that costs only your rows tell",
        ),
    )


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
            "    criterion: divergence",
            "    speedup: 1.8",
            "    max_drop: 1.0",
            "  - pass: int8  # a quarter of the bytes; leaves layers in float that cost more than half a point",
            "    budget: {max_drop: 0.5}",
            "",
        ]
    )


def _texts(kind: Kind | None) -> str:
    return "[question, context]" if kind is not None and min(kind.takes) == 2 else "text"

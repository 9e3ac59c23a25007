"""int8 beside float32 and bfloat16: speed, bytes, and how far the output moves."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from axkit import has_bfloat16, relative_speeds
from axkit.kit import convert, divergence, divergence_key, weight_bytes

if TYPE_CHECKING:
    from axkit import Split, Tools

AS_FAST = 1.03  # two timings of one model differ by that much


@dataclass(frozen=True)
class Stored:
    """A model as it is stored in one way.

    Attributes:
        stored_as: float32, bfloat16 or int8.
        times_float32: its throughput in batches as a multiple of the float32 model's.
        times_float32_b1: how many times as quick as that it is on one input; None where it was not timed.
        weights_bytes: of its weights.
        moved: (what it is called, how far its output is from the float32 model's); None where it was not looked at.
    """

    stored_as: str
    times_float32: float
    weights_bytes: float
    moved: tuple[str, float] | None = None
    times_float32_b1: float | None = None

    def to_json(self) -> dict[str, str | float]:
        """A row of a table in the report."""
        row = {key: value for key, value in asdict(self).items() if key != "moved" and value is not None}
        return row | dict([self.moved] if self.moved is not None else [])


@dataclass(frozen=True)
class Others:
    """What the quantized model is measured against.

    Attributes:
        whole: a copy of the model as it was.
        half: another in bfloat16.
        search: rows to time and compare on.
    """

    whole: nn.Module
    half: nn.Module
    search: Split

    def beside(self, model: nn.Module, weights_bytes: int, rows: int) -> list[Stored]:
        """float32, bfloat16 and int8 in turn.

        Args:
            model: the quantized one.
            weights_bytes: of its weights.
            rows: of the search split that the outputs are compared on; 0: they are not.
        """
        made = []
        for name, one in (("float32", self.whole), ("bfloat16", self.half), ("int8", model.eval())):
            batch, single = (1.0, 1.0) if one is self.whole else relative_speeds(one, self.whole, self.search)
            size = weights_bytes if one is model else weight_bytes(one)
            moved = (divergence_key(self.search.kind), self._moved(one, rows)) if rows else None
            made.append(Stored(name, batch, float(size), moved, single))
        return made

    def _moved(self, model: nn.Module, rows: int) -> float:
        kind, inputs = self.search.kind, self.search.batch(range(min(rows, len(self.search)))).inputs

        def answer(one: nn.Module) -> Tensor:
            logits: Tensor = kind.logits(one(**inputs)).float()
            return logits

        with torch.inference_mode():
            return divergence(kind, answer(self.whole), answer(model))


def float_and_half(model: nn.Module, tools: Tools) -> Others | None:
    """Copies of a model before it is quantized; None where bfloat16 is nothing to measure against.

    Args:
        model: left alone.
        tools: lent by the engine. Where several processes run, the first one measures.
    """
    if not has_bfloat16() or not tools.processes.is_main:
        return None
    whole, half = copy.deepcopy(model).eval(), copy.deepcopy(model).eval()
    convert(half, torch.bfloat16)
    return Others(whole, half, tools.search)


def which_is_faster(beside: Sequence[Stored]) -> str:
    """Of int8 and bfloat16 on this machine, in a sentence: by how much, and the recipe's line where it is bfloat16.

    Args:
        beside: what ``Others.beside`` gave; none, and there is nothing to say.
    """
    rows = {row.stored_as: row for row in beside}
    if not {"int8", "bfloat16"} <= rows.keys():
        return ""
    times = {name: rows[name].times_float32 for name in ("int8", "bfloat16")}
    measured = f"(int8 {times['int8']:.2f}x float32, bfloat16 {times['bfloat16']:.2f}x)"
    ahead = times["int8"] / times["bfloat16"]
    if max(times.values()) < 1 / AS_FAST:
        return f"Neither int8 nor a bfloat16 copy is as fast as float32 here {measured}: smaller is all that it is."
    if max(ahead, 1 / ahead) < AS_FAST:
        return f"int8 and a bfloat16 copy are equally fast here {measured}."
    if ahead > 1:
        return f"int8 is {ahead:.2f}x as fast as a bfloat16 copy here {measured}."
    larger = rows["bfloat16"].weights_bytes / rows["int8"].weights_bytes
    return (
        f"A bfloat16 copy is {1 / ahead:.2f}x as fast as int8 here {measured}, in {larger:.2f}x the bytes: where speed "
        f"is what counts, write `- pass: bf16` instead."
    )

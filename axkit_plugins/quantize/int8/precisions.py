"""int8 beside float32 and bfloat16: speed, bytes, and how far the output moves."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from axkit import has_bfloat16, relative_speed
from axkit.kit import convert, divergence, divergence_key, weight_bytes

if TYPE_CHECKING:
    from axkit import Tools

AS_FAST = 1.03  # two timings of one model differ by that much


class Others:
    """The model as it was, and a bfloat16 copy of it, to measure the quantized one against.

    Args:
        model: before it is quantized; copied.
        wanted: False for nothing at all.
        tools: lent by the engine. Where several processes run, the first one measures.
    """

    def __init__(self, model: Any, wanted: bool, tools: Tools) -> None:
        self._tools = tools
        self._float = self._half = None
        if wanted and has_bfloat16() and tools.processes.is_main:
            self._float, self._half = copy.deepcopy(model).eval(), copy.deepcopy(model).eval()
            convert(self._half, torch.bfloat16)

    def beside(self, model: Any, weights_bytes: float, rows: int) -> list[dict[str, Any]]:
        """A row each for float32, bfloat16 and int8; none where nothing was to be measured.

        Args:
            model: the quantized one.
            weights_bytes: of its weights.
            rows: of the search split that the outputs are compared on; 0: they are not.
        """
        if self._float is None or self._half is None:
            return []
        models = {"float32": self._float, "bfloat16": self._half, "int8": model.eval()}
        made = []
        for name, one in models.items():
            row = {
                "stored_as": name,
                "times_float32": 1.0 if one is self._float else relative_speed(one, self._float, self._tools.search),
                "weights_bytes": weights_bytes if one is model else float(weight_bytes(one)),
            }
            if rows:
                row[divergence_key(self._tools.search.kind)] = self._moved(one, rows)
            made.append(row)
        return made

    def _moved(self, model: Any, rows: int) -> float:
        search = self._tools.search
        inputs = search.batch(range(min(rows, len(search)))).inputs

        def answer(one: Any) -> Tensor:
            logits: Tensor = search.kind.logits(one(**inputs)).float()
            return logits

        with torch.inference_mode():
            return divergence(search.kind, answer(self._float), answer(model))


def which_is_faster(beside: Sequence[Mapping[str, Any]]) -> str:
    """Of int8 and bfloat16 on this machine, in a sentence: by how much, and the recipe's line where it is bfloat16.

    Args:
        beside: rows of :meth:`Others.beside`; none, and there is nothing to say.
    """
    rows = {row["stored_as"]: row for row in beside}
    if not {"int8", "bfloat16"} <= rows.keys():
        return ""
    times = {name: float(rows[name]["times_float32"]) for name in ("int8", "bfloat16")}
    measured = f"(int8 {times['int8']:.2f}x float32, bfloat16 {times['bfloat16']:.2f}x)"
    ahead = times["int8"] / times["bfloat16"]
    if max(times.values()) < 1 / AS_FAST:
        return f"Neither int8 nor a bfloat16 copy is as fast as float32 here {measured}: smaller is all that it is."
    if max(ahead, 1 / ahead) < AS_FAST:
        return f"int8 and a bfloat16 copy are equally fast here {measured}."
    if ahead > 1:
        return f"int8 is {ahead:.2f}x as fast as a bfloat16 copy here {measured}."
    larger = rows["bfloat16"]["weights_bytes"] / rows["int8"]["weights_bytes"]
    return (
        f"A bfloat16 copy is {1 / ahead:.2f}x as fast as int8 here {measured}, in {larger:.2f}x the bytes: where speed "
        f"is what counts, write `- pass: bf16` instead."
    )

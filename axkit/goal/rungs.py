"""What is tried for a goal, from cheap to dear, as passes of a recipe. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axkit.goal.look import Looked
from axkit.goal.settings import EXPORT, Goal
from axkit.goal.written import PassLine

ROUNDS = 2  # of cutting, each followed by training, where there is training
_ALL = 100  # points there are
_FREEZE = {"freeze": "embeddings"}


@dataclass(frozen=True)
class Rung:
    """One recipe of the ladder.

    Attributes:
        name: for people.
        passes: in order.
        bits: the pass that stores it in fewer bits, if any.
        trains: the model learns again after the cuts.
    """

    name: str
    passes: tuple[PassLine, ...]
    bits: str | None = None
    trains: bool = False


@dataclass(frozen=True)
class Rungs:
    """The recipes that may serve a goal.

    Attributes:
        goal: that they serve.
        looked: model and data.
    """

    goal: Goal
    looked: Looked

    def stored(self, how: str) -> Rung:
        """The model as it is, in fewer bits.

        Args:
            how: ``int8``, ``bf16`` or ``fp16``.
        """
        return Rung(how, (*self._leading, self._bits(how), *self._last), how)

    def exported(self) -> Rung:
        """The model as it is, in the other runtime."""
        return Rung(self.goal.where, (*self._leading, *self._last))

    def mended(self, speedup: float | None, size: float | None, how: str | None) -> Rung:
        """Parts taken out and what is left refitted, without training; then fewer bits.

        Args:
            speedup: that the cuts alone are to give.
            size: likewise.
            how: the bits behind it; None: float32 as it is.
        """
        name = f"mended to {_told(speedup, size)}"
        cut = self._cut(speedup, size, self.widest, {})
        return Rung(_with(name, how), (*self._leading, cut, *self._bits_of(how), *self._last), how)

    def trained(self, speedup: float | None, size: float | None, how: str | None, epochs: float) -> Rung:
        """As ``mended``, and the model learns from the one that it was, after each round and at the end."""
        extra = {"rounds": ROUNDS, "recover": {"pass": "distill", "epochs": 0.5, "learning_rate": 1e-4, **_FREEZE}}
        cut = self._cut(speedup, size, 3 * self.widest, extra)
        learn = PassLine(
            "distill",
            {"epochs": epochs, "learning_rate": 1e-4, **_FREEZE},
            {"": "What is left learns once more from the answers of the model as it came."},
        )
        name = f"mended to {_told(speedup, size)} and trained {epochs:g} epochs"
        passes = (*self._leading, cut, learn, *self._bits_of(how), *self._last)
        return Rung(_with(name, how), passes, how, trains=True)

    @property
    def widest(self) -> float:
        """Points that a step may cost and still be looked at: what is dearer than the goal is told, and not taken."""
        return round(max(3 * self.goal.max_drop, self.goal.max_drop + 2), 4)

    @property
    def _leading(self) -> Sequence[PassLine]:
        """Training, for a model that knows nothing of the task yet."""
        if self.looked.has_head:
            return ()
        why = "The model has no trained head for this task: it is trained, and what that gives is the measure."
        return (PassLine("finetune", {"epochs": 3, **_FREEZE}, {"": why, "freeze": "saves time, and loses little"}),)

    @property
    def _last(self) -> Sequence[PassLine]:
        if not self.goal.exports:
            return ()
        if self.goal.is_graph:
            why = f"Out of PyTorch: a folder that {self.goal.where} runs, of what is stored."
            # int8 says which sums would saturate on other processors, and stays out where it costs too much
            return (
                self._bits("int8", beside_bfloat16=False),
                PassLine(EXPORT, {"runtime": self.goal.where}, {"": why}),
            )
        why = "Computed without padding and without modules; the files stay what they are."
        return (PassLine(EXPORT, {"runtime": self.goal.where, "precision": "fastest"}, {"": why}),)

    def _bits_of(self, how: str | None) -> Sequence[PassLine]:
        return () if how is None else (self._bits(how),)

    def _bits(self, how: str, **settings: Any) -> PassLine:
        why = {
            "int8": "Weights in 8 bits, products by int8 kernels.",
            "bf16": "Weights and products in 16 bits, with float32's range.",
            "fp16": "Weights and products in 16 bits.",
        }
        budget = {"budget": {"max_drop": self.goal.max_drop}}
        undone = "points on the search split; a stage that costs more is undone"
        return PassLine(how, settings | budget, {"": why[how], "budget": undone})

    def _cut(self, speedup: float | None, size: float | None, most: float, extra: dict[str, Any]) -> PassLine:
        settings: dict[str, Any] = {
            "objective": "budget",
            "criterion": "divergence",
        }
        if speedup is not None:
            settings["speedup"] = round(speedup, 3)
        if size is not None:
            settings["size"] = round(size, 3)
        settings |= {"max_drop": min(most, _ALL), **extra}
        why = {
            "": "Blocks, heads and neurons go by measured time bought per loss; what stays is refitted by least "
            "squares on training rows, so that it takes over what went.",
            "criterion": "how far the answers are from the model's own",
            "speedup": "of the cuts alone, in float32",
            "size": "of the cuts alone, in float32",
            "max_drop": f"points that may be looked at; what is taken costs {self.goal.max_drop:g} at most, all in all",
            "rounds": "cut, learn, cut, learn",
            "recover": "half an epoch from the model's own answers after each round",
        }
        return PassLine("axformer_prune", settings, why)


def _told(speedup: float | None, size: float | None) -> str:
    parts = [f"{speedup:.2f}x" if speedup else "", f"{size:.2f}x smaller" if size else ""]
    return " and ".join(part for part in parts if part)


def _with(name: str, how: str | None) -> str:
    return name if how is None else f"{name}, {how}"

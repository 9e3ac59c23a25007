"""How a model is met where it serves, and how fast it answers there: figures as types. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from axkit.measure.figures import LEVEL, sign_test

Order = Literal["as they come", "sorted", "fixed"]
Verdict = Literal["faster", "slower", "no faster"]
SINGLES = 32  # inputs of one row each in a pass


@dataclass(frozen=True)
class Scenario:
    """How inputs come.

    Attributes:
        batch: rows at a time.
        order: of the rows: as they come, sorted by their length first, or all of one length.
        tokens: of each row where they are of one length; else None, and batches are padded to their longest.
    """

    batch: int
    order: Order = "as they come"
    tokens: int | None = None

    @property
    def name(self) -> str:
        """In a few characters: ``b1``, ``b32 sorted``, ``b32 x 128``."""
        if self.tokens is not None:
            return f"b{self.batch} x {self.tokens}"
        return f"b{self.batch} sorted" if self.order == "sorted" else f"b{self.batch}"

    def lengths(self, rows: Sequence[int]) -> list[list[int]]:
        """The batches of one pass, as the tokens of their rows.

        Args:
            rows: tokens of real rows, as they come.
        """
        if self.tokens is not None:
            return [[self.tokens] * self.batch]
        taken = list(rows[:SINGLES] if self.batch == 1 else rows)
        if self.order == "sorted":
            taken.sort()
        return [taken[start : start + self.batch] for start in range(0, len(taken), self.batch)]


def usual(batches: Sequence[int], tokens: Sequence[int]) -> list[Scenario]:
    """Each batch size as the rows come and, above one, sorted; the largest at each length.

    Args:
        batches: rows at a time.
        tokens: lengths of rows that are all alike; none, and that is left out.
    """
    made = []
    for size in sorted(set(batches)):
        made.append(Scenario(size))
        if size > 1:
            made.append(Scenario(size, "sorted"))
    return made + [Scenario(max(batches), "fixed", length) for length in sorted(set(tokens))]


@dataclass(frozen=True)
class Middle:
    """A median, with a 95 % interval of it.

    Attributes:
        value: the median.
        low: of the interval; None of fewer than six values, which have none.
        high: likewise.
    """

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Middle:
        """By order statistics, which is exact whatever the distribution (Conover 1999, section 3.2).

        It leaves a value out just where a sign test at 5 % does.
        """
        ranked, count = sorted(values), len(values)
        left = 0
        while sign_test(count, left) < LEVEL:
            left += 1
        ends = (ranked[left - 1], ranked[count - left]) if left else (None, None)
        return cls(median(ranked), *ends)

    def to_json(self, name: str) -> dict[str, float | None]:
        """Three keys."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class Answered:
    """One model in one scenario, timed in turn with others.

    Attributes:
        scenario: how inputs came.
        call_ms: milliseconds of one call: 50th, 90th and 99th percentile over all calls of all rounds.
        inputs_per_s: of each round; the median.
        tokens_per_s: likewise, padding left out; None of images.
        first_pass_per_s: inputs per second of the pass before the rounds, whose shapes were new to the model.
        times: by round, how many times as fast it was as the model that all are held against; None of that one.
    """

    scenario: Scenario
    call_ms: tuple[float, float, float]
    inputs_per_s: Middle
    tokens_per_s: float | None
    first_pass_per_s: float
    times: Middle | None = None

    @property
    def verdict(self) -> Verdict:
        """What the interval supports."""
        if self.times is None or self.times.low is None or self.times.high is None:
            return "no faster"
        return "faster" if self.times.low > 1 else "slower" if self.times.high < 1 else "no faster"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "scenario": self.scenario.name,
            "batch": self.scenario.batch,
            "order": self.scenario.order,
            "tokens": self.scenario.tokens,
            **{f"call_ms_p{share}": value for share, value in zip((50, 90, 99), self.call_ms, strict=True)},
            **self.inputs_per_s.to_json("inputs_per_s"),
            "tokens_per_s": self.tokens_per_s,
            "first_pass_per_s": self.first_pass_per_s,
            **(self.times.to_json("times") | {"verdict": self.verdict} if self.times else {}),
        }


@dataclass(frozen=True)
class Benched:
    """One folder, timed in turn with others.

    Attributes:
        folder: as it was given.
        runtime: that answers.
        disk_bytes: of the folder's files.
        memory_bytes: the peak of a fresh process that loads it and answers the largest batch; None: not looked at.
        first_call_ms: the first call of all, with what a runtime makes ready then.
        answered: by scenario.
    """

    folder: str
    runtime: str
    disk_bytes: int
    memory_bytes: int | None
    first_call_ms: float
    answered: tuple[Answered, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "folder": self.folder,
            "runtime": self.runtime,
            "disk_bytes": self.disk_bytes,
            "memory_bytes": self.memory_bytes,
            "first_call_ms": self.first_call_ms,
            "scenarios": [one.to_json() for one in self.answered],
        }


@dataclass(frozen=True)
class Conditions:
    """What folders were timed on.

    Attributes:
        device: where models computed.
        processor: its name.
        flags: its instructions that kernels are written for.
        threads: that each runtime may use.
        pinned: whether the process was held to as many cores.
        rounds: of each scenario, at most.
        lengths: whose rows gave the lengths; empty where all are of 32 tokens.
    """

    device: str
    processor: str
    flags: tuple[str, ...]
    threads: int
    pinned: bool
    rounds: int
    lengths: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "flags": list(self.flags)}


@dataclass(frozen=True)
class Bench:
    """Folders timed in turn.

    Attributes:
        models: in the order given; the first is what the others are held against.
        conditions: what they were timed on.
        left_out: scenarios that a model does not take, in words.
    """

    models: tuple[Benched, ...]
    conditions: Conditions
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "reference": self.models[0].folder,
            "models": [model.to_json() for model in self.models],
            "conditions": self.conditions.to_json(),
            "left_out": list(self.left_out),
        }

"""What measuring gives, as types: a speed, who was ahead, an interval, a pair. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from axkit.ground.fields import Fields

Batch = Literal["b1", "b32"]
LEVEL = 0.05  # of every test
FEWEST = 6  # values that must all speak for one side before a sign test falls below that: 2 * 0.5**6 = 0.03


def sign_test(count: int, fewer: int) -> float:
    """Two-sided p of so few of ``count`` on one side, or fewer."""
    return 2 * float(sum(math.comb(count, one) for one in range(fewer + 1)) / 2**count)


def leads(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether it is nowhere less than the other, and somewhere more."""
    return tuple(one) != tuple(other) and all(a >= b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Speed:
    """One model's speed on real inputs, measured in turn with others in one process.

    Attributes:
        latency_b1_ms_p50: milliseconds for one input, median over inputs and rounds.
        latency_b1_ms_p90: the same, 90th percentile.
        throughput_b32_per_s: inputs per second in batches of 32, padded to the longest; median over rounds.
        throughput_b32_per_s_low: the slowest round.
        throughput_b32_per_s_high: the fastest round.
        rounds_ms: of each round, the median of one input's milliseconds.
        rounds_per_s: of each round, inputs per second in batches.
        rounds_host_ms: of each round, the median of the milliseconds after which the call with one input came back.
        rounds_host_share: of each round in batches, that time as a share of the whole.
    """

    latency_b1_ms_p50: float
    latency_b1_ms_p90: float
    throughput_b32_per_s: float
    throughput_b32_per_s_low: float
    throughput_b32_per_s_high: float
    rounds_ms: tuple[float, ...] = ()
    rounds_per_s: tuple[float, ...] = ()
    rounds_host_ms: tuple[float, ...] = ()
    rounds_host_share: tuple[float, ...] = ()

    def to_json(self, whose: str = "") -> dict[str, float]:
        """Plain JSON; the rounds are left out.

        Args:
            whose: put into each name, ahead of ``_low`` and ``_high``: ``_dense``, say.
        """
        found = {name: value for name, value in asdict(self).items() if not name.startswith("rounds")}
        return {_named(name, whose): value for name, value in found.items()}

    @classmethod
    def from_json(cls, data: Fields, whose: str = "") -> Speed:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            latency_b1_ms_p50=data.take(f"latency_b1_ms_p50{whose}", float),
            latency_b1_ms_p90=data.take(f"latency_b1_ms_p90{whose}", float),
            throughput_b32_per_s=data.take(f"throughput_b32_per_s{whose}", float),
            throughput_b32_per_s_low=data.take(f"throughput_b32_per_s{whose}_low", float),
            throughput_b32_per_s_high=data.take(f"throughput_b32_per_s{whose}_high", float),
        )

    @property
    def host(self) -> Host:
        """How long calls took to come back, where a device computed."""
        single, batch = median(self.rounds_host_ms), median(self.rounds_host_share)
        return Host(single, single / self.latency_b1_ms_p50, batch)

    def rounds_ahead(self, other: Speed) -> Rounds:
        """In how many of the rounds that both were timed in this one was the faster."""
        single = sum(a < b for a, b in zip(self.rounds_ms, other.rounds_ms, strict=True))
        batch = sum(a > b for a, b in zip(self.rounds_per_s, other.rounds_per_s, strict=True))
        return Rounds(len(self.rounds_ms), single, batch)


def _named(name: str, whose: str) -> str:
    for end in ("_low", "_high"):
        if name.endswith(end):
            return f"{name.removesuffix(end)}{whose}{end}"
    return f"{name}{whose}"


@dataclass(frozen=True)
class Host:
    """How long the calls of a model take to come back where a device computes.

    A share near 1 is bound by launches: the device waits for its next order, and less work makes it no faster.

    Attributes:
        b1_ms_p50: milliseconds for one input, median.
        b1_share: of the whole time for one input.
        b32_share: of the whole time in batches.
    """

    b1_ms_p50: float
    b1_share: float
    b32_share: float

    def to_json(self, whose: str = "") -> dict[str, float]:
        """Plain JSON, each name ahead of ``whose``."""
        return {f"host_{name}{whose}": value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Fields, whose: str = "") -> Host | None:
        """The inverse of ``to_json``; None where the host itself computes."""
        if not data.has(f"host_b1_ms_p50{whose}"):
            return None
        return cls(*(data.take(f"host_{name}{whose}", float) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class Rounds:
    """Which of two models, timed in turn, was the faster, round by round.

    Attributes:
        count: rounds.
        ahead_b1: those in which the first was quicker on one input.
        ahead_b32: those in which it had the higher throughput in batches.
    """

    count: int
    ahead_b1: int
    ahead_b32: int

    def are_sure(self, batch: Batch) -> bool:
        """Whether the faster one was so in more rounds than a coin would give (sign test, 5 %)."""
        ahead = self.ahead_b1 if batch == "b1" else self.ahead_b32
        return sign_test(self.count, min(ahead, self.count - ahead)) < LEVEL

    def to_json(self) -> dict[str, int]:
        """Plain JSON."""
        return {"rounds": self.count, "rounds_ahead_b1": self.ahead_b1, "rounds_ahead_b32": self.ahead_b32}

    @classmethod
    def from_json(cls, data: Fields) -> Rounds | None:
        """The inverse of ``to_json``; None of a report of before they were counted."""
        ahead = data.maybe("rounds_ahead_b1", int), data.maybe("rounds_ahead_b32", int)
        if ahead[0] is None or ahead[1] is None:
            return None
        return cls(data.take("rounds", int), ahead[0], ahead[1])


@dataclass(frozen=True)
class Interval:
    """95 % percentile bootstrap over rows, in points (Efron 1979)."""

    low: float
    high: float

    @property
    def spans_none(self) -> bool:
        """Whether 0 lies in it."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Paired:
    """Two models on the same rows.

    Attributes:
        change: points that the second is above the first.
        low: of the change's 95 % interval.
        high: likewise.
        p: two-sided, of the paired test.
        resolution: points, about the least change that these rows could tell from chance: half the interval, and no
            less than six rows' worth.
    """

    change: float
    low: float
    high: float
    p: float
    resolution: float

    @property
    def interval(self) -> Interval:
        """Of the change."""
        return Interval(self.low, self.high)

    def to_json(self, whose: str = "") -> dict[str, float]:
        """Plain JSON, each name behind ``whose``."""
        return {f"{whose}{name}": value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Fields, whose: str = "") -> Paired:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(*(data.take(f"{whose}{name}", float) for name in cls.__dataclass_fields__))

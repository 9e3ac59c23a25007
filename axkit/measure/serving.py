"""Models of any runtime timed where they serve: pass by pass in turn, with what is new to a model told apart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from axkit.ground import stopwatch
from axkit.ground.device import Device, copied_to, enough_memory, exact_floats, moved
from axkit.ground.progress import Progress, Silent
from axkit.ground.target import DEFAULT, Target
from axkit.measure.figures import FEWEST
from axkit.measure.inputs import random_tokens
from axkit.measure.scenarios import Answered, Middle, Scenario
from axkit.measure.speed import settle
from axkit.tasks.answering import as_module


@dataclass(frozen=True)
class Feed:
    """What one model is given in one scenario.

    Attributes:
        batches: inputs, in order.
        rows: in all of them.
        tokens: in all of them, padding left out; None of images.
    """

    batches: Sequence[Mapping[str, Any]]
    rows: int
    tokens: int | None

    @classmethod
    def of_tokens(cls, lengths: Sequence[Sequence[int]], names: Sequence[str], vocabulary: int) -> Feed:
        """Random tokens, the same for every model of one vocabulary.

        Args:
            lengths: of each row of each batch, in tokens.
            names: of the inputs that the model takes.
            vocabulary: ids are below it.
        """
        random = torch.Generator().manual_seed(0)
        made = [random_tokens(batch, names, vocabulary, random) for batch in lengths]
        return cls(made, sum(map(len, lengths)), sum(map(sum, lengths)))

    @classmethod
    def of_images(cls, rows: Sequence[int], shape: Sequence[int]) -> Feed:
        """Random pixels; ``rows`` in each batch, ``shape`` is (channels, height, width)."""
        random = torch.Generator().manual_seed(0)
        made = [{"pixel_values": torch.rand((count, *shape), generator=random)} for count in rows]
        return cls(made, sum(rows), None)

    def on(self, device: Device) -> Feed:
        """The same on a device."""
        if device.is_cpu:
            return self
        return Feed([moved(batch, device) for batch in self.batches], self.rows, self.tokens)


@dataclass(frozen=True)
class Pace:
    """How much is timed.

    Attributes:
        rounds: of each scenario, at most.
        seconds: after which a scenario has no further round, once it had the six that an interval needs.
        settle_s: before each pass.
    """

    rounds: int = 15
    seconds: float = 30.0
    settle_s: float = 0.0

    @classmethod
    def of(cls, runtimes: Sequence[str], rounds: int, seconds: float) -> Pace:
        """With a pause between the passes of unlike runtimes."""
        return cls(rounds, seconds, settle(runtimes))


@dataclass
class _Clock:
    """What one model took in one scenario."""

    calls_s: list[float] = field(default_factory=list)
    passes_s: list[float] = field(default_factory=list)

    def time(self, device: Device, model: Any, feed: Feed) -> None:
        """One pass."""
        taken = [stopwatch.taken(device, model, (), batch).seconds for batch in feed.batches]
        self.calls_s += taken
        self.passes_s.append(sum(taken))


def serve(
    bodies: Sequence[Any],
    feeds: Mapping[Scenario, Sequence[Feed]],
    pace: Pace,
    progress: Progress | None = None,
    target: Target = DEFAULT,
) -> tuple[list[float], list[list[Answered]]]:
    """Time models in turn, pass by pass; the order alternates by round.

    Args:
        bodies: of any runtime; the first is what the others are held against.
        feeds: of each scenario what each of them is given.
        pace: how much.
        progress: told of each scenario.
        target: where they are timed, and in which precision.

    Returns:
        The milliseconds of each one's first call of all, and for each its scenarios.
    """
    device = target.here()
    with (
        exact_floats(device),
        enough_memory(device, "time smaller batches (--batch), or --device cpu"),
        target.computing(),
    ):
        models = [copied_to(device, as_module(body)) for body in bodies]
        first = next(iter(feeds.values()))
        cold = [1e3 * _seconds(device, model, feed) for model, feed in zip(models, first, strict=True)]
        found: list[list[Answered]] = [[] for _ in models]
        for scenario in (progress or Silent()).track(list(feeds), "timing"):
            own = [feed.on(device) for feed in feeds[scenario]]
            for number, answered in enumerate(_in_turn(models, scenario, own, pace, device)):
                found[number].append(answered)
    return cold, found


def _in_turn(
    models: Sequence[Any], scenario: Scenario, feeds: Sequence[Feed], pace: Pace, device: Device
) -> list[Answered]:
    new, clocks = ([_Clock() for _ in models] for _ in range(2))
    for model, feed, clock in zip(models, feeds, new, strict=True):
        clock.passes_s.append(sum(stopwatch.once(device, model, (), batch) for batch in feed.batches))
    begun = time.monotonic()
    for turn in range(pace.rounds):
        for number in range(len(models)) if turn % 2 == 0 else reversed(range(len(models))):
            time.sleep(pace.settle_s)
            clocks[number].time(device, models[number], feeds[number])
        if turn + 1 >= FEWEST and time.monotonic() - begun > pace.seconds:
            break
    return [
        _answered(scenario, feed, clock, fresh, clocks[0] if number else None)
        for number, (feed, clock, fresh) in enumerate(zip(feeds, clocks, new, strict=True))
    ]


def _answered(scenario: Scenario, feed: Feed, clock: _Clock, new: _Clock, reference: _Clock | None) -> Answered:
    p50, p90, p99 = (float(1e3 * value) for value in np.percentile(clock.calls_s, (50, 90, 99)))
    per_s = Middle.of([feed.rows / spent for spent in clock.passes_s])
    tokens = None if feed.tokens is None else per_s.value * feed.tokens / feed.rows
    times = None
    if reference is not None:
        times = Middle.of([other / own for other, own in zip(reference.passes_s, clock.passes_s, strict=True)])
    return Answered(scenario, (p50, p90, p99), per_s, tokens, feed.rows / new.passes_s[0], times)


def _seconds(device: Device, model: Any, feed: Feed) -> float:
    return stopwatch.once(device, model, (), moved(feed.batches[0], device))

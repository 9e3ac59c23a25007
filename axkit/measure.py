"""Quality with its uncertainty, speed by interleaved runs, memory. Every name carries its unit."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from axkit.tasks.split import Evaluation, Split

RESAMPLES = 2000
ROUNDS = 7
BATCH = 32


@dataclass(frozen=True)
class Speed:
    """One model's speed on real inputs, measured in turn with others in one process.

    Attributes:
        latency_b1_ms_p50: milliseconds for one input, median over inputs and rounds.
        latency_b1_ms_p90: the same, 90th percentile.
        throughput_b32_per_s: inputs per second in batches of 32, padded to the longest; median over rounds.
        throughput_b32_per_s_low: the slowest round.
        throughput_b32_per_s_high: the fastest round.
    """

    latency_b1_ms_p50: float
    latency_b1_ms_p90: float
    throughput_b32_per_s: float
    throughput_b32_per_s_low: float
    throughput_b32_per_s_high: float

    def to_json(self) -> dict[str, float]:
        """Plain JSON."""
        return asdict(self)


def speed(models: Mapping[str, Any], split: Split, rounds: int = ROUNDS, batches: int = 3) -> dict[str, Speed]:
    """Time several models on the same inputs, in turn: what the machine does meanwhile hits all alike.

    Args:
        models: name -> model, in eval mode.
        split: inputs of real lengths, in random order.
        rounds: each visits every model; the order alternates.
        batches: batches of 32 per round.
    """
    singles = [split.batch([i]) for i in range(min(16, len(split)))]
    full = [split.batch(range(s, min(s + BATCH, len(split)))) for s in range(0, min(batches * BATCH, len(split)), BATCH)]
    rows = sum(len(batch.rows) for batch in full)
    single_ms: dict[str, list[float]] = {name: [] for name in models}
    per_s: dict[str, list[float]] = {name: [] for name in models}
    with torch.inference_mode():
        for model in models.values():
            model(**singles[0].inputs)
            model(**full[0].inputs)
        for turn in range(rounds):
            names = list(models) if turn % 2 == 0 else list(models)[::-1]
            for batch in singles:
                for name in names:
                    single_ms[name].append(1e3 * _seconds(lambda m=models[name], b=batch: m(**b.inputs)))
            for name in names:
                per_s[name].append(rows / sum(_seconds(lambda m=models[name], b=b: m(**b.inputs)) for b in full))
    return {
        name: Speed(
            float(np.median(single_ms[name])),
            float(np.percentile(single_ms[name], 90)),
            float(np.median(per_s[name])),
            min(per_s[name]),
            max(per_s[name]),
        )
        for name in models
    }


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def confidence_interval(split: Split, evaluation: Evaluation, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap over rows, in points (Efron 1979)."""
    random = np.random.default_rng(seed)
    n = len(evaluation.labels)
    scores = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, n, n)
        scores.append(split.score(evaluation.predictions[rows], evaluation.labels[rows]))
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def paired_p_value(split: Split, one: Evaluation, other: Evaluation, seed: int = 0) -> float:
    """Two-sided p of the difference of two models on the same rows.

    A permutation test: under the null hypothesis it does not matter which model gave which of a row's two
    predictions (Noreen 1989). Exact ties count as at least as extreme, so identical models give 1.
    """
    random = np.random.default_rng(seed)
    observed = abs(one.score - other.score)
    hits = 0
    for _ in range(RESAMPLES):
        swap = random.random(len(one.labels)) < 0.5
        a = np.where(swap, other.predictions, one.predictions)
        b = np.where(swap, one.predictions, other.predictions)
        hits += abs(split.score(a, one.labels) - split.score(b, one.labels)) >= observed - 1e-9
    return (hits + 1) / (RESAMPLES + 1)


def majority_score(split: Split, train_labels: Any) -> float:
    """The metric of a model that has only seen the training labels, in points."""
    return split.score(split.kind.majority(train_labels, split.labels), split.labels)


def count_values(model: Any) -> int:
    """Numbers in the model: parameters and saved buffers, whatever their width; scales are counted."""
    return sum(tensor.numel() for tensor in model.state_dict().values())


def peak_memory_bytes() -> int:
    """The largest resident set this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

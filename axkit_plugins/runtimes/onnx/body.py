"""A model in onnxruntime, on the CPU."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from statistics import median
from typing import ClassVar

from axkit_plugins.runtimes.body import SMALL, GraphBody, Run, Session
from axkit_plugins.runtimes.network.matrix import Array

_FEW = 128  # tokens of a batch that one thread may compute sooner than several
_TURNS = 7  # in which the two are timed
_WORTH = 1.2  # times as fast several threads must be: they take the cores from whoever else computes


class OnnxBody(GraphBody):
    """A graph in onnxruntime; implements ``axkit.Body``.

    To wake threads takes as long as a few tokens take to compute. So a small model has a second session of one thread,
    and batches of few tokens go to the one of the two that was faster for as many, measured when they are first met.
    """

    runtime: ClassVar[str] = "onnxruntime"

    def open(self, threads: int) -> Session:
        """An onnxruntime session, or two."""
        names, every = _session(self.model, threads)
        if threads == 1 or len(self.model) > SMALL or "input_ids" not in names:
            return Session(names, every)
        taken: dict[int, Run] = {}

        @cache
        def alone() -> Run:
            return _session(self.model, 1)[1]

        def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
            tokens = given["input_ids"].size
            if tokens > _FEW:
                return every(given)
            bucket = int(tokens).bit_length()
            if bucket not in taken:
                taken[bucket] = sooner(alone(), every, given)
            return taken[bucket](given)

        return Session(names, run)


def _session(model: bytes, threads: int) -> tuple[tuple[str, ...], Run]:
    """Names of its inputs, and what asks it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # whoever is timed next wants the cores
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs = [one.name for one in session.get_outputs()]

    def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
        return dict(zip(outputs, session.run(None, dict(given)), strict=True))

    return tuple(one.name for one in session.get_inputs()), run


def sooner(alone: Run, every: Run, given: Mapping[str, Array]) -> Run:
    """What is the faster of the two on these inputs, by the medians of some turns; ``alone`` unless it is much slower.

    Args:
        alone: computes on one thread.
        every: on all; it is now fast and now slow, as its threads are awake or not, so that its best turn says nothing.
        given: inputs.
    """
    took: dict[Run, list[float]] = {alone: [], every: []}
    for _ in range(1 + _TURNS):  # the first warms up
        for run, seconds in took.items():
            start = time.perf_counter()
            run(given)
            seconds.append(time.perf_counter() - start)
    return every if median(took[alone][1:]) > _WORTH * median(took[every][1:]) else alone

"""How much has to go for a measured speed-up: bisection over the share, timed beside the dense model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit import NotApplicable, relative_speed
from axkit_plugins.structured.choose import choose

if TYPE_CHECKING:
    from axkit import Structure, Subject, Tools
    from axkit_plugins.structured.parts import Scores, Size
    from axkit_plugins.structured.settings import StructuredConfig

_STEPS = 7  # halvings of the share: to less than a hundredth of the layers


class _Timing:
    """Speeds of structures as multiples of the dense model's; each is timed once, by one process, and written down.

    A run that goes on reads them in the journal, and so decides the same.
    """

    def __init__(self, subject: Subject, config: StructuredConfig, tools: Tools) -> None:
        self.subject, self.config, self.tools = subject, config, tools
        self.known: dict[Structure, float] = {}
        self.written = {line["share"]: line["speedup"] for line in tools.journal.read() if "share" in line}
        tools.processes.wait()  # nobody writes before all have read

    def of(self, structure: Structure, share: float) -> float:
        """Speed of the subject with that structure, which has lost that share of its layers' parameters."""
        if structure not in self.known:
            self.known[structure] = self.written[share] if share in self.written else self._timed(structure)
        if share not in self.written:
            self.written[share] = self.known[structure]
            if self.tools.processes.is_main:
                self.tools.journal.write(share=share, speedup=self.known[structure])
        return self.known[structure]

    def _timed(self, structure: Structure) -> float:
        tools = self.tools

        def measure() -> tuple[float]:
            assert tools.teacher is not None, "planned: speed is measured beside the dense model"
            probe = self.subject.copy()
            probe.carve(structure)
            ratio = relative_speed(
                probe.module.eval(),
                tools.teacher.module,
                tools.search,
                1 if self.config.timed_rows == 1 else tools.target.batch,
                other_split=tools.dense_rows,
                target=tools.target,
            )
            return (ratio,)

        (ratio,) = tools.processes.measured(measure)
        return ratio


def choose_by_speed(
    subject: Subject, scores: dict[int, Scores], config: StructuredConfig, size: Size, tools: Tools
) -> tuple[Structure, dict[str, float]]:
    """The structure from which the least is gone among those that were timed and are fast enough.

    Args:
        subject: as it is; left alone.
        scores: layer index -> importance.
        config: of the pass, with ``speedup``.
        size: parameters of the parts.
        tools: lent by the engine; the teacher is the dense model.

    Returns:
        The structure, and facts: the measured ratios.

    Raises:
        NotApplicable: with all that may go it is not fast enough.
    """
    assert config.speedup is not None
    timing, low, high = _Timing(subject, config, tools), 0.0, 1.0
    before = timing.of(subject.structure, low)
    best, reached = subject.structure, before
    if before < config.speedup:
        best = choose(subject.structure, scores, config, size, high * size.layers)
        reached = timing.of(best, high)
        if reached < config.speedup:
            raise NotApplicable(
                f"with all that may go the model is {reached:.2f} times as fast as the dense one, short of "
                f"{config.speedup:g}; lower 'speedup' or 'at_least', or give 'what: layers'"
            )
        for _ in tools.progress.track(range(_STEPS), "timing candidates"):
            middle = (low + high) / 2
            structure = choose(subject.structure, scores, config, size, middle * size.layers)
            ratio = timing.of(structure, middle)
            if ratio >= config.speedup:
                high, best, reached = middle, structure, ratio
            else:
                low = middle
    return best, {"speedup_before_ratio": before, "speedup_ratio": reached}

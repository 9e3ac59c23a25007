"""One pass of a plan, ready to run. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from axkit.contract.passes import Effort, Gain, Pass, PassConfig, SearchWork, Workload
from axkit.contract.traits import TEACHER_TOKENS, Trait
from axkit.ground import fence
from axkit.ground.errors import PluginError, shown
from axkit.run.recipe import Budget

_DENSE = frozenset({"teacher", "dense"})  # both need that there is a dense model


@dataclass(frozen=True)
class PlannedStep:
    """One pass, ready to run.

    Attributes:
        index: position among the passes of the plan, from 0.
        name: registered name.
        distribution: where the pass comes from.
        runner: the pass.
        config: its checked settings.
        budget: what the stage may cost, or None.
        inner: the passes that it runs itself, by the setting that names them.
    """

    index: int
    name: str
    distribution: str
    runner: Pass[Any]
    config: PassConfig
    budget: Budget | None
    inner: Mapping[str, PlannedStep] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """What and whose it is, for messages."""
        return fence.whose("pass", self.name, self.distribution)

    @property
    def is_ours(self) -> bool:
        """True for a pass that axkit itself brings."""
        return self.distribution.split(" ")[0] == "axkit"

    def foresee(self, work: Workload | None = None) -> list[str]:
        """The sentences that the pass knows beforehand (``Pass.foresee``, ``Pass.foresee_work``)."""
        with fence.answering(self.who, "failed in foresee", self.is_ours):
            told = (self.runner.foresee(self.config), work and self.runner.foresee_work(self.config, work))
            return [str(sentence) for sentence in told if sentence]

    def foresee_search(self, work: Workload) -> SearchWork | None:
        """What the pass foresees of a search (``Pass.foresee_search``)."""
        with fence.answering(self.who, "failed in foresee_search", self.is_ours):
            return self.runner.foresee_search(self.config, work)

    def foresee_gain(self, work: Workload | None) -> Gain | None:
        """How much faster and smaller the pass may make a model (``Pass.foresee_gain``)."""
        with fence.answering(self.who, "failed in foresee_gain", self.is_ours):
            return self.runner.foresee_gain(self.config, work)

    def foresee_effort(self, work: Workload) -> Effort | None:
        """What the pass takes, its search and the passes that it runs among it; None where nothing is foreseen."""
        with fence.answering(self.who, "failed in foresee_effort", self.is_ours):
            own = self.runner.foresee_effort(self.config, work)
        search = self.foresee_search(work)
        if own is None and search is None:
            return None
        found = own or Effort()
        if search is not None:
            found = found.with_search(search)
        for one in self.inner.values():
            found = found.with_inner(one.foresee_effort(work))
        return found

    @property
    def requires(self) -> frozenset[Trait]:
        """Of the pass and of those that it runs; who needs a teacher needs its tokens too."""
        tokens = {TEACHER_TOKENS} if "teacher" in self.needs else set()
        return self.runner.requires.union(tokens, *(one.runner.requires for one in self.inner.values()))

    @property
    def own_needs(self) -> frozenset[str]:
        """What the pass itself is lent, under its settings."""
        return frozenset(self.runner.needs_of(self.config))

    @property
    def needs(self) -> frozenset[str]:
        """Of the pass and of those that it runs, under their settings."""
        return self.own_needs.union(*(one.needs for one in self.inner.values()))

    def inner_of(self, setting: str) -> PlannedStep:
        """The pass that a setting names, for ``Tools.run``.

        Raises:
            PluginError: it names none.
        """
        if setting not in self.inner:
            raise PluginError(f"{self.who} runs its setting '{shown(setting)}', which names no pass here; ask it first")
        return self.inner[setting]

    @property
    def needs_dense(self) -> bool:
        """Whether there must be a dense model, to learn from or to compare with."""
        return bool(_DENSE & self.needs)

    @property
    def trains_alone(self) -> bool:
        """Whether it trains, and needs no dense model for it: such passes may come before there is one."""
        return self.runner.trains and not self.needs_dense


def along(
    steps: Iterable[PlannedStep], work: Workload | None
) -> Iterator[tuple[PlannedStep, Workload | None, Gain | None]]:
    """Each step, with the work as those before it leave it, and what it may come to.

    Args:
        steps: in order.
        work: as the model comes; None where nobody knows.
    """
    for step in steps:
        gain = step.foresee_gain(work)
        yield step, work, gain
        if work is not None and gain is not None:
            work = gain.left_of(work)


def numbered(steps: Iterable[PlannedStep]) -> tuple[PlannedStep, ...]:
    """Steps by their own order: what is not among them has left no gap."""
    return tuple(replace(step, index=index) for index, step in enumerate(steps))

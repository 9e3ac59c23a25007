"""Trainings that go on where a killed run left them, and end with the weights of an undisturbed one.

The Trainer walks over the steps that are done without computing them: its order of rows, its learning rates and its
counters are then what they were, without a word of its own format of checkpoints. Before the first step that is left,
weights, optimizer and randomness become those of the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import TrainerCallback, TrainerState

from axkit.kit.train import checkpoints
from axkit.kit.train.checkpoints import DamagedError, Moment, OfRank, Randomness

if TYPE_CHECKING:
    from axkit.contract.tools import Tools
    from axkit.ground.processes import Processes
    from axkit.kit.train.settings import TrainingConfig

_COST = 20  # writing takes a twentieth of the time at most
_WORTH_S = 10.0  # a training that took longer leaves its end, too: its stage may be interrupted before it is finished


class Keeper:
    """Keeps the checkpoints of one training; every process of it has one, and they decide alike.

    Args:
        folder: of the stage.
        training: its fingerprint.
        every: seconds between two checkpoints.
        tools: lent by the engine.
    """

    def __init__(self, folder: Path, training: str, every: float, tools: Tools) -> None:
        self.folder, self.training, self.every = folder, training, every
        self.processes, self._progress = tools.processes, tools.progress
        self._next = time.perf_counter() + every
        self._refused = False

    def read(self) -> Moment | None:
        """The checkpoint to go on from; every process reads the same."""
        found = None
        if self.processes.is_main:
            try:
                found = checkpoints.read(self.folder, self.training)
            except DamagedError as error:
                aside = self.folder / checkpoints.DAMAGED
                (self.folder / checkpoints.FILE).replace(aside)
                self._progress.say(
                    f"   The checkpoint of this training is set aside as {aside} ({error}); it starts from step 0"
                )
        if not self.processes.largest(int(found is not None)):
            return None
        found = found or checkpoints.read(self.folder, self.training)
        assert found is not None
        self._progress.say(f"   Going on from a checkpoint after {found.step} steps")
        return found

    @property
    def is_due(self) -> bool:
        """Whether it is time for one, by the clock of the main process; all must ask."""
        return self._agreed(time.perf_counter() >= self._next)

    def is_worth(self, seconds: float) -> bool:
        """Whether the end of a training that took so long is kept; all must ask."""
        return self._agreed(seconds >= min(self.every, _WORTH_S))

    def _agreed(self, says_main: bool) -> bool:
        return bool(self.processes.largest(int(self.processes.is_main and says_main)))

    def keep(self, mine: OfRank, moment: Callable[[list[OfRank]], Moment]) -> None:
        """One process writes what it makes of all of theirs; a disk that refuses costs the checkpoint alone."""
        start = time.perf_counter()
        by_rank = [OfRank.from_json(one) for one in self.processes.gather(mine.to_json())]
        if self.processes.is_main:
            try:
                checkpoints.write(moment(by_rank), self.folder, self.training)
            except OSError as error:  # later ones are tried again, as space may come free
                if not self._refused:
                    self._progress.say(f"   No checkpoint of the training: {error}; it goes on without")
                self._refused = True
        now = time.perf_counter()
        self._next = now + max(self.every, _COST * (now - start))


class GoingOn(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Takes one training to where an earlier run left it, and has checkpoints written; made by ``going_on``.

    Args:
        model: before the training.
        numbers: what changes with the weights and belongs to them, beside the model.
        processes: of the run.
        keeper: of its checkpoints; None where nothing is kept.
        found: the checkpoint to go on from.
    """

    def __init__(
        self,
        model: nn.Module,
        numbers: dict[str, float],
        processes: Processes,
        keeper: Keeper | None = None,
        found: Moment | None = None,
    ) -> None:
        self._model, self._numbers, self._rank = model, numbers, processes.rank
        self._keeper, self._found = keeper, found
        self.loss: Tensor = found.loss if found is not None else torch.zeros(())
        self._step = self._epoch = 0
        self._at_epoch: Randomness | None = None
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of the training, those before it was interrupted too."""
        return time.perf_counter() - self._start + (self._found.seconds if self._found is not None else 0.0)

    def steps(self, compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A ``training_step`` of the Trainer that leaves out what is done, and adds up the losses."""

        def step(*args: Any, **kwargs: Any) -> Tensor:
            self._step += 1
            if self._found is not None and self._step <= self._found.step:
                return torch.zeros((), device=next(self._model.parameters()).device)
            loss = compute(*args, **kwargs)
            # where it is no number, the mean so far, as the Trainer does: a fact must be one
            self.loss = self.loss.to(loss.device) + (loss if loss.isfinite() else self.loss / self._step)
            return loss

        return step

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Rows are put in order next."""
        self._epoch += 1
        if self._found is not None and self._found.epoch == self._epoch:
            order = self._found.by_rank[self._rank].epoch
            assert order is not None, "a checkpoint within an epoch is written after it has begun"
            order.set()
        if self._keeper is not None:
            self._at_epoch = Randomness.now()

    def on_step_begin(
        self, _: Any, state: TrainerState, __: Any, optimizer: Optimizer | None = None, **___: Any
    ) -> None:
        """Take over where the checkpoint ends; write one where it is time."""
        done = state.global_step
        if self._keeper is None or (self._found is not None and done < self._found.step):
            return
        if self._found is not None and done == self._found.step and self._found.epoch:
            assert optimizer is not None, "the Trainer tells it"
            self._found.into_optimizer(optimizer)
            self._take_over(self._found)
        elif self._keeper.is_due:
            self._write(self._keeper, done, optimizer)

    def finish(self, done: int) -> None:
        """After the last step: weights of a training that was over before, or a checkpoint that says so."""
        if self._found is not None and not self._found.epoch:
            self._take_over(self._found)
        elif self._keeper is not None and self._keeper.is_worth(self.seconds):
            self._epoch = 0
            self._write(self._keeper, done, None)

    def _take_over(self, found: Moment) -> None:
        mine = found.by_rank[self._rank]
        found.into_model(self._model)
        self._numbers.update(mine.numbers)
        mine.now.set()
        self._found = replace(found, tensors={})  # they need not be there twice

    def _write(self, keeper: Keeper, done: int, optimizer: Optimizer | None) -> None:
        def moment(by_rank: list[OfRank]) -> Moment:
            tensors = checkpoints.tensors_of(self._model, optimizer)
            return Moment(done, self._epoch, self.seconds, self.loss, tensors, by_rank)

        keeper.keep(OfRank(self._at_epoch, Randomness.now(), dict(self._numbers)), moment)


def going_on(
    model: nn.Module, config: TrainingConfig, tools: Tools, numbers: dict[str, float], *about: object
) -> GoingOn:
    """The callback of a training that is about to start, with what an earlier run left of the same training.

    Args:
        model: before the training.
        config: of the training.
        tools: lent by the engine; where there is no ``scratch``, nothing is kept.
        numbers: what changes with the weights and belongs to them, beside the model.
        about: JSON; what else decides how the training ends.
    """
    if not config.checkpoint or tools.scratch is None:
        return GoingOn(model, numbers, tools.processes)
    settings = config.model_dump(mode="json", exclude={"checkpoint"})
    about = (settings, tools.seed, tools.processes.count, torch.get_num_threads(), torch.__version__, *about)
    keeper = Keeper(tools.scratch, checkpoints.fingerprint(model, *about), config.checkpoint, tools)
    return GoingOn(model, numbers, tools.processes, keeper, keeper.read())

"""Trainings that go on where a killed run left them, and end with the weights of an undisturbed one.

The Trainer walks over the steps that are done without computing them: its order of rows, its learning rates and its
counters are then what they were, without a word of its own format of checkpoints. Before the first step that is left,
weights, optimizer and randomness become those of the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from axkit.kit.train import checkpoints
from axkit.kit.train.checkpoints import DamagedError, Moment

if TYPE_CHECKING:
    from axkit.contract.tools import Tools
    from axkit.kit.train.settings import TrainingConfig

_COST = 20  # writing takes a twentieth of the time at most
_WORTH_S = 10.0  # a training that took longer leaves its end, too: its stage may be interrupted before it is finished


class GoingOn(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Writes checkpoints of one training, and takes it to the last one that an earlier run wrote.

    Args:
        model: before the training.
        config: of the training.
        tools: lent by the engine; where there is no ``scratch``, nothing is kept.
        numbers: what changes with the weights and belongs to them, beside the model.
        about: JSON; what else decides how the training ends.
    """

    def __init__(
        self, model: Any, config: TrainingConfig, tools: Tools, numbers: dict[str, float], *about: Any
    ) -> None:
        self._model, self._tools, self._numbers, self._every = model, tools, numbers, config.checkpoint
        self._folder = tools.scratch if config.checkpoint else None
        self._found: Moment | None = None
        if self._folder is not None:
            settings = config.model_dump(mode="json", exclude={"checkpoint"})
            about = (settings, tools.seed, tools.processes.count, torch.get_num_threads(), torch.__version__, *about)
            self._training = checkpoints.fingerprint(model, *about)
            self._found = self._read()
        self.loss = self._found.loss if self._found is not None else torch.zeros(())
        self._refused = False
        self._step = self._epoch = 0
        self._at_epoch: dict[str, Any] = {}
        self._start = time.perf_counter()
        self._next = self._start + self._every

    def _read(self) -> Moment | None:
        """The checkpoint to go on from; every process reads the same."""
        assert self._folder is not None
        main, found = self._tools.processes.is_main, None
        if main:
            try:
                found = checkpoints.read(self._folder, self._training)
            except DamagedError as error:
                aside = self._folder / checkpoints.DAMAGED
                (self._folder / checkpoints.FILE).replace(aside)
                self._tools.progress.say(
                    f"   The checkpoint of this training is set aside as {aside} ({error}); it starts from step 0"
                )
        if not self._tools.processes.largest(int(found is not None)):
            return None
        found = found or checkpoints.read(self._folder, self._training)
        assert found is not None
        self._tools.progress.say(f"   Going on from a checkpoint after {found.step} steps")
        return found

    @property
    def seconds(self) -> float:
        """Of the training, those before it was interrupted too."""
        return time.perf_counter() - self._start + (self._found.seconds if self._found is not None else 0.0)

    def steps(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        """A ``training_step`` of the Trainer that leaves out what is done, and adds up the losses."""

        def step(*args: Any, **kwargs: Any) -> Any:
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
            checkpoints.set_randomness(self._mine["epoch"])
        if self._folder is not None:
            self._at_epoch = checkpoints.randomness()

    def on_step_begin(self, _: Any, state: Any, __: Any, optimizer: Any = None, **___: Any) -> None:
        """Take over where the checkpoint ends; write one where it is time."""
        done = state.global_step
        if self._folder is None or (self._found is not None and done < self._found.step):
            return
        if self._found is not None and done == self._found.step and self._found.epoch:
            self._found.into_optimizer(optimizer)
            self._take_over(self._found)
        elif self._tools.processes.largest(int(self._tools.processes.is_main and time.perf_counter() >= self._next)):
            self._write(done, optimizer)

    def finish(self, done: int) -> None:
        """After the last step: weights of a training that was over before, or a checkpoint that says so."""
        if self._found is not None and not self._found.epoch:
            self._take_over(self._found)
        elif self._folder is not None:
            worth = self._tools.processes.is_main and self.seconds >= min(self._every, _WORTH_S)
            if self._tools.processes.largest(int(worth)):
                self._epoch = 0
                self._write(done, None)

    def _take_over(self, found: Moment) -> None:
        found.into_model(self._model)
        self._numbers.update(self._mine["numbers"])
        checkpoints.set_randomness(self._mine["now"])
        self._found = replace(found, tensors={})  # they need not be there twice

    @property
    def _mine(self) -> dict[str, Any]:
        assert self._found is not None
        return self._found.by_rank[self._tools.processes.rank]

    def _write(self, done: int, optimizer: Any) -> None:
        """One process writes. A disk that refuses costs the checkpoint, not the training."""
        assert self._folder is not None
        start = time.perf_counter()
        mine = {"epoch": self._at_epoch, "now": checkpoints.randomness(), "numbers": dict(self._numbers)}
        by_rank = self._tools.processes.gather(mine)
        if self._tools.processes.is_main:
            tensors = checkpoints.tensors_of(self._model, optimizer)
            moment = Moment(done, self._epoch, self.seconds, self.loss, tensors, by_rank)
            try:
                checkpoints.write(moment, self._folder, self._training)
            except OSError as error:  # later ones are tried again, as space may come free
                if not self._refused:
                    self._tools.progress.say(f"   No checkpoint of the training: {error}; it goes on without")
                self._refused = True
        now = time.perf_counter()
        self._next = now + max(self._every, _COST * (now - start))

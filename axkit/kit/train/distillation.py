"""A Trainer whose loss compares the model with a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Trainer

from axkit.contract.subject import Subject
from axkit.ground.device import Device
from axkit.kit.answers import row_logits
from axkit.kit.remembered import remembered
from axkit.kit.teacher import DENSE, teacher_of
from axkit.kit.train import loop
from axkit.kit.train.layer_map import layer_map
from axkit.kit.train.watching import Pairs, Seen
from axkit.tasks.kinds.wanted import Wanted

if TYPE_CHECKING:
    from axkit.contract.tools import Tools
    from axkit.kit.train.settings import DistillationConfig
    from axkit.tasks.kinds.base import TaskKind

TEACHER = "teacher_logits"


def distill_model(subject: Subject, config: DistillationConfig, tools: Tools) -> dict[str, float]:
    """Train ``subject.module`` in place; facts as of ``loop.train_model``, and how many layers were compared.

    Raises:
        NotApplicable: the teacher does not fit the task or the student.
    """
    teacher = teacher_of(config.teacher, subject, tools)
    pairs = None
    if config.cosine or config.hidden or config.attention:
        layers = layer_map(subject.structure, teacher.structure, config.layers)
        pairing = {"layers": [[student, other] for student, other in layers.items()]}
        if tools.processes.is_main and pairing not in tools.journal.read():  # an interrupted training wrote it already
            tools.journal.write(**pairing)
        pairs = Pairs(subject, teacher, layers, bool(config.cosine or config.hidden), bool(config.attention))
    columns = {}
    kind = tools.train.kind
    if pairs is None and config.soft:
        answers = _answers(teacher, config, tools)
        if answers is not None:
            columns[TEACHER] = answers
    make = partial(Distiller, teacher=teacher.module, config=config, kind=kind, pairs=pairs)
    facts = loop.train_model(subject.module, config, tools, make, columns, lambda labels: {"labels": labels})
    teacher.module.to("cpu")
    if pairs is not None:
        facts |= {"compared_layers": float(len(pairs.hidden.keys() | pairs.heads.keys()))}
    return facts


def _answers(teacher: Subject, config: DistillationConfig, tools: Tools) -> Wanted | None:
    """What the teacher says of each row, once instead of once an epoch; None: it has to be asked batch by batch."""

    def asked() -> Wanted | None:
        with tools.device.autocast():
            return row_logits(teacher.module, tools.train, tools.device, tools.progress, "asking the teacher")

    if config.teacher != DENSE:  # opened for this pass alone
        return asked()
    return remembered(tools.memo, "teacher's logits", (teacher.module, tools.train), (tools.device.half,), asked)


class Distiller(Trainer):  # type: ignore[misc]  # transformers is untyped
    """Trainer with the weighted sum of the losses.

    Args:
        teacher: in eval mode.
        config: the weights.
        kind: of the task.
        pairs: layers to compare; None where there are none.
    """

    loss_is_scaled_for_ga = False  # it is a mean over the rows of the batch at hand

    def __init__(
        self,
        *args: Any,
        teacher: nn.Module,
        config: DistillationConfig,
        kind: TaskKind,
        pairs: Pairs | None,
        **more: Any,
    ):
        super().__init__(*args, **more)
        self.teacher, self.distillation, self.kind, self.pairs = teacher, config, kind, pairs

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """The weighted sum of the losses, mean over rows."""
        labels, wanted = inputs.pop("labels"), inputs.pop(TEACHER, None)
        config = self.distillation
        loss = torch.zeros((), device=labels.device)
        if self.pairs is not None:
            with self.pairs.watched("teacher") as theirs:
                wanted = self._ask(inputs, labels.device)
            with self.pairs.watched("student") as ours:
                outputs = model(**inputs)
            loss = loss + self._between(ours, theirs, inputs.get("attention_mask"))
        else:
            if wanted is None and config.soft:
                wanted = self._ask(inputs, labels.device)
            outputs = model(**inputs)
        logits = self.kind.logits(outputs)
        if config.soft:
            loss = loss + config.soft * self.kind.soft_losses(logits, wanted, labels, config.temperature).mean()
        if config.hard:
            loss = loss + config.hard * self.kind.losses(logits, labels).mean()
        return (loss, outputs) if return_outputs else loss

    @torch.no_grad()
    def _ask(self, inputs: Mapping[str, Tensor], device: torch.device) -> Tensor:
        with Device(str(device)).autocast():
            answer: Tensor = self.kind.logits(self.teacher.to(device)(**inputs))
        return answer

    def _between(self, ours: Seen, theirs: Seen, mask: Tensor | None) -> Tensor:
        """Means over layers and real tokens."""
        config, total = self.distillation, torch.zeros(())
        assert self.pairs is not None
        pairs = list(self.pairs.hidden_pairs(ours, theirs, mask))
        for a, b in pairs:
            if config.cosine:
                total = total + config.cosine * (1 - functional.cosine_similarity(a, b, dim=-1)).mean() / len(pairs)
            if config.hidden:
                total = total + config.hidden * functional.mse_loss(a, b) / len(pairs)
        if config.attention:
            total = total + config.attention * self.pairs.attention_distance(ours, theirs, mask)
        return total

"""A Trainer whose loss compares the model with a teacher."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Trainer

from axkit import NotApplicable, has_bfloat16, open_model
from axkit_plugins.training import loop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axkit import Subject, Tools
    from axkit_plugins.distill import DistillConfig

TEACHER = "teacher_logits"


def distill(subject: Subject, config: DistillConfig, tools: Tools) -> dict[str, float]:
    """Train ``subject.module`` in place; facts as of :func:`loop.train`.

    Raises:
        NotApplicable: the teacher does not fit the task or the student.
    """
    if not tools.train.kind.predicts_numbers:
        raise NotApplicable(f"distill knows classification and regression, not {tools.train.spec.kind}; use finetune")
    teacher = _teacher(config.teacher, tools, subject.module)
    watched = _Pairs(subject, teacher) if config.cosine or config.hidden else None
    columns = {}
    if watched is None and config.soft:
        columns[TEACHER] = _logits(teacher, tools)  # once, not once an epoch
    make = partial(_Distiller, teacher=teacher, config=config, kind=tools.train.kind, pairs=watched)
    return loop.train(subject.module, config, tools, make, columns)


def _teacher(name: str, tools: Tools, student: Any) -> Any:
    """The teacher, in eval mode, with as many outputs as the student."""
    teacher = tools.teacher if name == "dense" else open_model(name, tools.tokenizer)
    assert teacher is not None, "planned: the pass needs a teacher"
    outputs = (teacher.config.num_labels, student.config.num_labels)
    if outputs[0] != outputs[1]:
        raise NotApplicable(
            f"teacher '{name}' has {outputs[0]} outputs, the model {outputs[1]}: take a teacher trained on this task"
        )
    return teacher.eval()


def _autocast() -> Any:
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())


def _logits(teacher: Any, tools: Tools) -> Tensor:
    """The teacher's logits on the training rows, (rows, outputs)."""
    rows = tools.train
    found = torch.zeros(len(rows), teacher.config.num_labels)
    with torch.inference_mode(), _autocast():
        for batch in tools.progress.track(rows.batches(64), "asking the teacher", -(-len(rows) // 64)):
            found[batch.rows] = teacher(**batch.inputs).logits.float()
    return found.clone()


class _Pairs:
    """Hidden states of the layers that student and teacher both have."""

    def __init__(self, subject: Subject, teacher: Any) -> None:
        theirs = teacher.base_model.get_submodule(subject.family.layers)
        layers = subject.layers  # without those that were removed
        dense = len(subject.structure.layers)
        if len(theirs) != dense:
            raise NotApplicable(
                f"the teacher has {len(theirs)} layers, the dense model of the student {dense}: hidden states "
                f"cannot be matched; leave 'cosine' and 'hidden' at 0"
            )
        self.student = [layer.module for layer in layers]
        self.teacher = [theirs[layer.index] for layer in layers]

    @contextmanager
    def watched(self, modules: list[Any]) -> Iterator[dict[int, Tensor]]:
        """Outputs by layer while the block runs."""
        seen: dict[int, Tensor] = {}

        def keep(index: int) -> Any:
            def hook(_: Any, __: Any, output: Any) -> None:
                seen[index] = output[0] if isinstance(output, tuple) else output

            return hook

        handles = [module.register_forward_hook(keep(index)) for index, module in enumerate(modules)]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


class _Distiller(Trainer):  # type: ignore[misc]  # transformers is untyped
    def __init__(self, *args: Any, teacher: Any, config: DistillConfig, kind: Any, pairs: _Pairs | None, **more: Any):
        super().__init__(*args, **more)
        self.teacher, self.distillation, self.kind, self.pairs = teacher, config, kind, pairs

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """The weighted sum of the losses, mean over rows."""
        labels, wanted = inputs.pop("labels"), inputs.pop(TEACHER, None)
        config = self.distillation
        if self.pairs is None:
            outputs, loss = model(**inputs), torch.zeros((), device=labels.device)
            if wanted is None and config.soft:
                with torch.no_grad(), _autocast():
                    wanted = self.teacher(**inputs).logits
        else:
            with torch.no_grad(), _autocast(), self.pairs.watched(self.pairs.teacher) as theirs:
                wanted = self.teacher.to(labels.device)(**inputs).logits
            with self.pairs.watched(self.pairs.student) as ours:
                outputs = model(**inputs)
            loss = self._between(ours, theirs, inputs["attention_mask"])
        if config.soft:
            loss = loss + config.soft * self._soft(outputs.logits.float(), wanted.float())
        if config.hard:
            loss = loss + config.hard * self.kind.losses(outputs.logits, labels).mean()
        return (loss, outputs) if return_outputs else loss

    def _soft(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Hinton et al. 2015, section 2: the factor T^2 keeps the gradients' size."""
        if logits.shape[-1] == 1:
            return functional.mse_loss(logits, wanted)
        t = self.distillation.temperature
        ours, theirs = functional.log_softmax(logits / t, -1), functional.log_softmax(wanted / t, -1)
        return functional.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1).mean() * t * t

    def _between(self, ours: dict[int, Tensor], theirs: dict[int, Tensor], mask: Tensor) -> Tensor:
        """Mean over layers and real tokens; a layer computed for the first token alone is compared there."""
        config, total = self.distillation, torch.zeros((), device=mask.device)
        for index, student in ours.items():
            tokens = student.shape[1]
            real = mask[:, :tokens].bool()
            a, b = student[real].float(), theirs[index][:, :tokens][real].float()
            if config.cosine:
                total = total + config.cosine * (1 - functional.cosine_similarity(a, b, dim=-1)).mean()
            if config.hidden:
                total = total + config.hidden * functional.mse_loss(a, b)
        return total / max(1, len(ours))

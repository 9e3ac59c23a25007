"""What every training pass shares: transformers' Trainer, told to be quiet, on our batches."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from axkit.anatomy.structure import Structure
from axkit.checkpoint.config import is_own
from axkit.checkpoint.sources import read_config
from axkit.contract.subject import Subject
from axkit.ground.device import CPU
from axkit.ground.errors import NotApplicable
from axkit.kit.train.marks import dice_as_found, left_as_found
from axkit.kit.train.resume import going_on
from axkit.runtimes.folder import load_to_work
from axkit.runtimes.manifest import read_manifest
from axkit.runtimes.torch.body import torch_subject

if TYPE_CHECKING:
    from axkit.contract.tools import Tools
    from axkit.kit.train.settings import TrainingConfig
    from axkit.tasks.kinds.wanted import Wanted
    from axkit.tasks.split import Split


Targets = Callable[[Tensor], dict[str, Tensor]]
_FROZEN = {"nothing": (), "embeddings": ("embeddings.",), "encoder": ("",)}  # below the base model


# transformers 5.2 renamed it
_BY_LENGTH: dict[str, Any] = (
    {"train_sampling_strategy": "group_by_length"}
    if "train_sampling_strategy" in TrainingArguments.__dataclass_fields__
    else {"group_by_length": True}
)


class Rows(Dataset[dict[str, Any]]):
    """A split as the Trainer wants it.

    Args:
        split: of the task.
        columns: what other models say of each row, by the name that it has among a batch's inputs.
        targets: collated labels -> what the loss wants of them; by default what a transformers model wants.
    """

    def __init__(self, split: Split, columns: Mapping[str, Wanted], targets: Targets | None = None) -> None:
        self.split, self.columns = split, columns
        self.targets: Targets = targets or split.kind.feed.targets

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> dict[str, Any]:
        # the Trainer groups rows by the length of their "input_ids", whatever the model reads
        return {"row": index, "input_ids": range(int(self.split.lengths[index]))}

    def batch(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows to a batch: the split pads, and says what its labels are called."""
        rows = [feature["row"] for feature in features]
        batch = self.split.batch(rows)
        more = {name: column.padded(rows) for name, column in self.columns.items()}
        return {**batch.inputs, **more, **self.targets(batch.labels)}


class _Bar(TrainerCallback):  # type: ignore[misc]
    """Feeds the Trainer's steps to our progress bar."""

    def __init__(self, steps: Iterator[int]) -> None:
        self.steps = steps

    def on_step_end(self, *_: Any, **__: Any) -> None:
        next(self.steps, None)


class _Arguments(TrainingArguments):  # type: ignore[misc]  # transformers is untyped
    """What a Trainer is told, with one device of ours: it would take the first, and spread batches over all."""

    where: torch.device | None = None

    @property
    def device(self) -> torch.device:
        """Of this training."""
        found = super().device
        return found if self.where is None else self.where

    @property
    def n_gpu(self) -> int:
        """One, or none: more, and the model would be wrapped in DataParallel unasked."""
        return min(1, int(super().n_gpu))


def _arguments(config: TrainingConfig, tools: Tools, scratch: str) -> TrainingArguments:
    """What transformers' Trainer is told: our settings; nothing saved, logged or reported."""
    on_gpu = tools.device.kind == "cuda"  # the only other device that trainings go to
    if on_gpu:
        torch.cuda.set_device(tools.device.name)
    has_bfloat16 = (tools.device if on_gpu else CPU).has_bfloat16
    arguments = _Arguments(
        output_dir=scratch,
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=max(1, config.batch_size // tools.processes.count),
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        **_BY_LENGTH,
        bf16=config.precision == "bfloat16" or (config.precision == "auto" and has_bfloat16),
        use_cpu=not on_gpu,
        seed=tools.seed,
        data_seed=tools.seed,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
    )
    arguments.where = torch.device(tools.device.name) if on_gpu else None
    return arguments


def train_model(
    model: Any,
    config: TrainingConfig,
    tools: Tools,
    make_trainer: Callable[..., Any] = Trainer,
    columns: Mapping[str, Wanted] = MappingProxyType({}),
    targets: Targets | None = None,
    numbers: dict[str, float] | None = None,
) -> dict[str, float]:
    """Train a model in place; afterwards it is in eval mode and no parameter is frozen.

    A training that was killed goes on from its last checkpoint, where ``tools.scratch`` kept one.

    Args:
        model: a transformers model with a task head.
        config: learning rate, epochs and the like.
        tools: lent by the engine.
        make_trainer: makes a Trainer with another loss, for distillation.
        columns: what other models say of each training row, by its name among the inputs of that loss.
        targets: collated labels -> what that loss wants of them.
        numbers: what changes in training beside the weights, and is kept with them.

    Returns:
        Facts: steps, train_s (with the time before an interruption), train_loss.
    """
    for name, parameter in model.base_model.named_parameters():
        parameter.requires_grad_(not name.startswith(_FROZEN[config.freeze]))
    rows = Rows(tools.train, columns, targets)
    with left_as_found(model), dice_as_found(), tempfile.TemporaryDirectory() as scratch:
        arguments = _arguments(config, tools, scratch)
        kept = going_on(model, config, tools, {} if numbers is None else numbers, len(rows), arguments.bf16)
        trainer = make_trainer(model=model, args=arguments, train_dataset=rows, data_collator=rows.batch)
        trainer.training_step = kept.steps(trainer.training_step)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(kept)
        steps = _run(trainer, config, tools, len(rows))
        kept.finish(steps)
        vars(trainer).clear()  # it refers to itself: model and optimizer would live until the collector comes
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model.to("cpu").eval()
    model.zero_grad(set_to_none=True)
    return {"steps": float(steps), "train_s": kept.seconds, "train_loss": float(kept.loss) / max(1, steps)}


def _run(trainer: Any, config: TrainingConfig, tools: Tools, rows: int) -> int:
    """Train, behind a bar; the steps of the whole training."""
    total = max(1, int(-(-rows // config.batch_size) * config.epochs + 0.999))
    bar = iter(tools.progress.track(range(total), "training", total))
    next(bar, None)
    trainer.add_callback(_Bar(bar))
    with warnings.catch_warnings(), tools.processes.together():
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        done = trainer.train()
    for _ in bar:  # a last epoch that ends early closes the bar
        pass
    return int(done.global_step)


def _pretrained(subject: Subject, folder: Path) -> Subject:
    """What a recipe started from, without a head; a result of axkit as that left it."""
    from transformers import AutoModel

    manifest = read_manifest(folder)
    if is_own(read_config(folder)) or (manifest is not None and not manifest.structure.is_dense):
        return load_to_work(folder)
    fresh = AutoModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    now = subject.structure
    return torch_subject(fresh, subject.family, Structure.dense(len(now.layers), now.n_heads, now.ffn_width))


def start_from_pretrained(subject: Subject, folder: str) -> None:
    """Put the weights that the recipe started from into the subject's present shape (AxFormer's from_specialized)."""
    now = subject.structure
    start = _pretrained(subject, Path(folder))
    # a bare base model has no head to be first-token-only for
    start.carve(replace(now, first_token_only=start.structure.first_token_only))
    fresh = start.module.base_model
    here, there = (model.get_input_embeddings().weight.shape for model in (subject.module, fresh))
    if here != there:
        raise NotApplicable(f"refit starts from {there[0]} word pieces, the model has {here[0]}; put vocab after it")
    subject.module.base_model.load_state_dict(fresh.state_dict(), strict=False)

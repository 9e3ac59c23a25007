"""Open a checkpoint to work on: with a head for the task, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from axkit.anatomy.family import Family, family_of
from axkit.errors import CheckpointError
from axkit.models import local_folder, read_config
from axkit.quiet import quiet
from axkit.saving.folder import load_subject
from axkit.saving.ordered import answer_in_order
from axkit.subject import Subject
from axkit.tasks.images import ImageReader
from axkit.tasks.kind import TaskKind


def open_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint; one without a padding token (GPT-2's) pads with its end token.

    It pads on the right, as the kinds of task do, whatever it did before: a result is saved as it was measured.

    Raises:
        CheckpointError: there is none that loads, it knows no words, or it cannot pad.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no tokenizer that loads; save the model's tokenizer there") from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # what transformers makes of no file at all
        raise CheckpointError(f"{folder} holds no tokenizer with a vocabulary; save the model's tokenizer there")
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise CheckpointError(f"the tokenizer in {folder} has no padding token; give it one and save it again")
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def open_reader(folder: Path, family: Family) -> Any:
    """What makes a checkpoint's inputs: its tokenizer, or its :class:`~axkit.tasks.images.ImageReader`.

    Raises:
        CheckpointError: there is none that loads.
    """
    return open_tokenizer(folder) if family.inputs == "tokens" else ImageReader.from_folder(folder)


def token_limit(reader: Any, config: Any, family: Family) -> int:
    """Tokens that a model can take: the tokenizer's word where it has one, else the position embeddings.

    Of images, those that it makes of one.

    Raises:
        CheckpointError: the reader makes images of a size that the model does not take.
    """
    if family.inputs == "pixels":
        wanted = (int(config.num_channels), *family.image_extent(config))
        if reader.shape != wanted:
            raise CheckpointError(
                f"the model reads images of {' x '.join(map(str, wanted))}, its preprocessor_config.json makes "
                f"{' x '.join(map(str, reader.shape))} (channels, height, width); mend the file"
            )
        return family.image_tokens(config)
    said = int(reader.model_max_length)
    positions = int(getattr(config, "max_position_embeddings", 0) or 512)
    return said if said < 10**6 else positions


def fit_padding(module: Any, reader: Any, family: Family) -> None:
    """Tell a model that reads the last token which is no padding what its tokenizer pads with."""
    if family.reads_last_token:
        module.config.pad_token_id = reader.pad_token_id


def open_for_task(folder: Path, kind: TaskKind, outputs: int, names: Sequence[str], seed: int) -> Any:
    """The model with a head for a task, in eval mode; a head that the checkpoint lacks is drawn from ``seed``.

    Args:
        folder: a checked checkpoint.
        kind: of the task; says which head.
        outputs: of the head.
        names: of the labels; empty for regression.
        seed: of the new head.

    Raises:
        CheckpointError: the checkpoint lacks more than the head.
    """
    import transformers

    torch.manual_seed(seed)
    labels: dict[str, Any] = {"num_labels": outputs}
    if names:
        labels = {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    load: Callable[..., Any] = getattr(transformers, f"AutoModelFor{kind.head}").from_pretrained
    options = {"dtype": "float32", "local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    with quiet():
        module, info = load(str(folder), **labels, **options)
    prefix = f"{module.base_model_prefix}."
    lost = sorted(name for name in info["missing_keys"] if name.startswith(prefix) and ".pooler." not in name)
    if lost:
        raise CheckpointError(
            f"{folder} lacks {len(lost)} weights of its own architecture ({lost[0]} first); copy or save it again"
        )
    module.config.problem_type = kind.problem_type
    if getattr(module.config, "pad_token_id", 0) is None:  # a causal classifier looks for the last token that is none
        module.config.pad_token_id = module.config.eos_token_id
    return module.eval()


def open_subject(name: str, tokenizer: Any, kind: TaskKind, names: Sequence[str] = ()) -> Subject:
    """A trained model by folder, registered name or hub id, in eval mode; a teacher, say.

    Args:
        name: as in a recipe.
        tokenizer: of the rows that it will be asked about.
        kind: of their task.
        names: of the labels, in the order in which the model is to answer; as it has them where empty.

    Raises:
        NotApplicable: its labels are others.
        CheckpointError: there is none, it is damaged, its head is of another kind, or its word pieces are others.
    """
    folder = local_folder(name)
    family = family_of(read_config(folder)["model_type"])
    other = open_reader(folder, family)
    if hasattr(tokenizer, "get_vocab"):
        if not hasattr(other, "get_vocab") or other.get_vocab() != tokenizer.get_vocab():
            raise CheckpointError(f"model '{name}' splits text into other pieces; take one with the same vocabulary")
    elif not isinstance(other, ImageReader) or not other.makes_the_same(tokenizer):
        raise CheckpointError(f"model '{name}' reads images in another way; take one with the same image processor")
    subject = load_subject(folder)
    if not type(subject.module).__name__.endswith(f"For{kind.head}"):
        raise CheckpointError(f"model '{name}' has no trained head for {kind.name}; take one fine-tuned for the task")
    fit_padding(subject.module, tokenizer, family)
    if names and kind.names_outputs:
        answer_in_order(subject.module, names, f"teacher '{name}'")
    return subject

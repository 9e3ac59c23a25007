"""Open a checkpoint to work on: with a head for the task, in float32."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from axkit.anatomy.family import Family, family_of
from axkit.checkpoint.sources import local_folder, read_config
from axkit.checkpoint.tokenizer import FILES, check_tokenizer
from axkit.contract.reader import reads_alike
from axkit.contract.subject import Subject
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet
from axkit.runtimes.folder import load_to_work
from axkit.runtimes.torch.loading import load_weights
from axkit.runtimes.torch.ordered import answer_in_order
from axkit.runtimes.torch.view import fence, view
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.base import TaskKind

_PROBE = "The quick brown fox, 1 naïve 中文 🙂!"


def open_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint; one without a padding token (GPT-2's) pads with its end token.

    It pads on the right, as the kinds of task do, whatever it did before: a result is saved as it was measured.

    Raises:
        CheckpointError: there is none that loads, it knows no words, or it cannot pad.
    """
    from transformers import AutoTokenizer

    check_tokenizer(folder)
    made_up = {"config.json": read_config(folder)} if os.path.lexists(folder / "config.json") else {}
    names = [name for name in FILES if os.path.lexists(folder / name)]
    with view(folder, names, made_up) as checked, quiet():
        with fence(folder, "holds no tokenizer that loads", "save the model's tokenizer there"):
            tokenizer = AutoTokenizer.from_pretrained(str(checked), local_files_only=True, trust_remote_code=False)
            words, specials = set(tokenizer.get_vocab()), set(tokenizer.all_special_tokens)
        _say_where(tokenizer, checked, folder)
    if words <= specials:  # what transformers makes of no file at all
        raise CheckpointError(f"{folder} holds no tokenizer with a vocabulary; save the model's tokenizer there")
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise CheckpointError(f"the tokenizer in {folder} has no padding token; give it one and save it again")
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def _say_where(tokenizer: Any, checked: Path, folder: Path) -> None:
    """Its files are those of the folder, not of the view, which goes."""
    for values in (vars(tokenizer), getattr(tokenizer, "init_kwargs", {})):
        for key, value in list(values.items()):
            if isinstance(value, str) and value.startswith(str(checked)):
                values[key] = str(folder) + value.removeprefix(str(checked))


def open_reader(folder: Path, family: Family) -> Any:
    """What makes a checkpoint's inputs: its tokenizer, or its ``ImageReader``.

    Raises:
        CheckpointError: there is none that loads.
    """
    if family.inputs != "tokens":
        return ImageReader.from_folder(folder)
    tokenizer = open_tokenizer(folder)
    config = SimpleNamespace(**read_config(folder))
    with fence(folder, "holds a tokenizer that splits no text", "save the model's tokenizer there"):
        tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n not in family.ignored_inputs]
        if family.config.token_types and getattr(config, family.config.token_types, None) in (0, 1):
            # one type: what a tokenizer says of the second text has no row, and the model takes all to be of the first
            tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n != "token_type_ids"]
        refuse_misfit(tokenizer, config, family, f"the tokenizer in {folder}")
    return tokenizer


def refuse_misfit(tokenizer: Any, config: Any, family: Family, whose: str) -> None:
    """Refuse a tokenizer that gives ids, token types or padding that a model has no rows for.

    Args:
        tokenizer: of any kind.
        config: of the model, or what has its fields.
        family: of the model.
        whose: tokenizer, for the message.

    Raises:
        CheckpointError: says both numbers.
    """
    rows = getattr(config, "vocab_size", None)
    made = tokenizer(_PROBE, _PROBE)
    used = [*tokenizer.get_vocab().values(), *made["input_ids"], tokenizer.pad_token_id or 0]
    if rows is not None and max(used) >= rows:
        raise CheckpointError(
            f"{whose} knows {max(used) + 1} ids, the model has {rows} rows of word embeddings; save matching ones "
            f"(after adding tokens: model.resize_token_embeddings(len(tokenizer)))"
        )
    types = getattr(config, family.config.token_types, None) if family.config.token_types else None
    given = made.get("token_type_ids") if "token_type_ids" in tokenizer.model_input_names else None
    if types and given and max(given) >= types:
        raise CheckpointError(
            f"{whose} gives token types up to {max(given)}, the model has {types} ({family.config.token_types}); leave "
            f"token_type_ids out of 'model_input_names' in tokenizer_config.json"
        )
    pad = getattr(config, "pad_token_id", None)
    if family.positions_after_padding and pad is not None and pad != tokenizer.pad_token_id:
        raise CheckpointError(
            f"{whose} pads with {tokenizer.pad_token_id}, the model's config says {pad}, and its positions are counted "
            f"from there; save matching ones"
        )


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
        names: of the labels; they are the outputs' where the kind's outputs stand for labels.
        seed: of the new head.

    Raises:
        CheckpointError: the checkpoint lacks more than the head.
    """
    import transformers

    config = read_config(folder)
    if config.get("quantization_config") is not None:
        raise CheckpointError(f"{folder} is quantized already; start from the model that it was made of")
    torch.manual_seed(seed)
    labels: dict[str, Any] = {"num_labels": outputs}
    if names and kind.about.names_outputs:
        labels = {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    load: Callable[..., Any] = getattr(transformers, f"AutoModelFor{kind.about.head}").from_pretrained
    whole = (config.get("architectures") or [""])[0].endswith(f"For{kind.about.head}")
    module = load_weights(load, folder, config, whole, dtype="float32", **labels)
    module.config.problem_type = kind.about.problem_type
    if getattr(module.config, "pad_token_id", 0) is None:  # a causal classifier looks for the last token that is none
        module.config.pad_token_id = module.config.eos_token_id
    return module.eval()


def open_subject(name: str, tokenizer: Any, kind: TaskKind, names: Sequence[str] = (), longest: int = 0) -> Subject:
    """A trained model by folder, registered name or hub id, in eval mode; a teacher, say.

    Args:
        name: as in a recipe.
        tokenizer: of the rows that it will be asked about.
        kind: of their task.
        names: of the labels, in the order in which the model is to answer; as it has them where empty.
        longest: of those rows, in tokens; 0: not known.

    Raises:
        NotApplicable: its labels are others.
        CheckpointError: there is none, it is damaged, its head is of another kind, or its word pieces are others.
    """
    folder = local_folder(name)
    config = read_config(folder)
    family = family_of(config["model_type"])
    other = open_reader(folder, family)
    if not reads_alike(other, tokenizer):
        if isinstance(tokenizer, ImageReader):
            raise CheckpointError(f"model '{name}' reads images in another way; take one with the same image processor")
        raise CheckpointError(f"model '{name}' splits text into other pieces; take one with the same vocabulary")
    if family.inputs == "tokens":
        refuse_misfit(tokenizer, SimpleNamespace(**config), family, f"of model '{name}' and its student, the tokenizer")
        most = family.tokens_at_most(SimpleNamespace(**config))
        if most is not None and longest > most:
            raise CheckpointError(
                f"model '{name}' takes {most} tokens at most, and the longest row has {longest}; set the task's "
                f"'max_length' to {most}"
            )
    subject = replace(load_to_work(folder), reader=other)
    if not type(subject.module).__name__.endswith(f"For{kind.about.head}"):
        raise CheckpointError(
            f"model '{name}' has no trained head for {kind.about.name}; take one fine-tuned for the task"
        )
    fit_padding(subject.module, tokenizer, family)
    if names and kind.about.names_outputs:
        answer_in_order(subject.module, names, f"teacher '{name}'")
    return subject

"""A model and its data, looked at: what kind of task it is, and what a recipe says of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axkit.checkpoint import sources
from axkit.goal.columns import Columns, Told, columns_of, label_by_name
from axkit.goal.peek import Peeked, peek
from axkit.ground import registry
from axkit.ground.errors import RecipeError, did_you_mean
from axkit.run.token_counts import whole_rows
from axkit.tasks.kinds.kind import Kind, kind_of, our_kinds
from axkit.tasks.labels.head import head_of, output_names
from axkit.tasks.task_file import names_task_file, opened

SPLIT = {"test": 0.2, "search": 0.15}
_LENGTHS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_COVERED = 0.995  # of the rows are read whole


@dataclass(frozen=True)
class Asked:
    """What the caller says himself of model and data; what is None is looked for.

    Attributes:
        columns: of the data.
        kind: of the task.
        metric: that decides.
    """

    columns: Told = field(default_factory=Told)
    kind: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Looked:
    """What was found.

    Attributes:
        model: as a recipe names it.
        folder: the model's own.
        kind: of the task.
        has_head: the model is trained for such a task; else it is trained first.
        task: as a recipe has it: a name, or a mapping.
        why: key of the task -> what it is for, or where it was seen.
    """

    model: str
    folder: Path
    kind: str
    has_head: bool
    task: str | Mapping[str, Any]
    why: Mapping[str, str] = field(default_factory=dict)


def look(model: str, data: str, asked: Asked) -> Looked:
    """Look at a model and at data.

    Args:
        model: a folder, a registered model or a hub id.
        data: a file, a folder of images, a YAML file with a task, or the name of a task.
        asked: what is known of them.

    Raises:
        AxkitError: one of the two cannot be had, or what it is cannot be seen: with the option that says it.
    """
    sources.check_name(model)
    folder = sources.local_folder(model)
    config = sources.read_config(folder)
    if names_task_file(data) or data in registry.entries(registry.TASKS):
        return _of_task(model, folder, config, data, asked.columns.unlabelled)
    peeked = peek(Path(data))
    kind = _kind(model, config, peeked, asked)
    head = head_of(config, kind.name, f"model '{model}'")
    names = () if head is None else head.names
    columns = columns_of(peeked, kind, asked.columns, names, f"data {data}")
    task, why = _task(data, peeked, kind, columns, asked)
    if kind.inputs == "tokens":
        task["max_length"], why["max_length"] = _length(folder, config, peeked, columns)
    if asked.columns.unlabelled and head is None:
        raise RecipeError(f"model '{model}' has no head whose answers could stand for labels; take --labels use")
    said = _architecture(config)
    why["kind"] = f"by the model's head, {said}" if head is not None else f"{said} has no head for it yet"
    return Looked(model, folder, kind.name, head is not None, task, why)


def _of_task(model: str, folder: Path, config: Mapping[str, Any], data: str, unlabelled: bool) -> Looked:
    """A task that is described already."""
    from axkit.tasks.spec import resolve

    task, place = opened(data, lambda _: data)
    spec = resolve(task, place).spec
    if unlabelled and not spec.is_unlabelled:
        raise RecipeError(
            f"task {data} has labels; leave --labels none out, or say 'labels: none' in a task of your own"
        )
    kind = spec.kind
    return Looked(model, folder, kind, head_of(config, kind, f"model '{model}'") is not None, task)


def _architecture(config: Mapping[str, Any]) -> str:
    architectures = config.get("architectures")
    return str(architectures[0]) if isinstance(architectures, list) and architectures else "the model"


def _kind(model: str, config: Mapping[str, Any], peeked: Peeked, asked: Asked) -> Kind:
    """As it is told; by the head, where that leaves one; by the data."""
    if asked.kind is not None:
        if asked.kind not in registry.entries(registry.KINDS):
            raise RecipeError(f"--kind names no kind of task{did_you_mean(asked.kind, our_kinds())}")
        return kind_of(asked.kind)
    known = [kind_of(name) for name in our_kinds()]
    architecture = _architecture(config)
    found = [one for one in known if architecture.endswith(f"For{one.head}")]
    if len(found) == 1:
        return found[0]
    if peeked.kind is not None:
        return kind_of(peeked.kind)
    if found:
        return _of_sequences(config, found, model)
    return _by_data(peeked, asked)


def _of_sequences(config: Mapping[str, Any], found: Sequence[Kind], model: str) -> Kind:
    """One head serves classes, several labels and scores: config.json says which, as transformers' own losses go."""
    problem = config.get("problem_type")
    if len(output_names(config, model)) == 1 and problem != "multi_label_classification":
        problem = "regression"
    wanted = problem or "single_label_classification"
    return next((one for one in found if one.problem_type == wanted), found[0])


def _by_data(peeked: Peeked, asked: Asked) -> Kind:
    """A model without a head is trained for what the labels are."""
    name = label_by_name(peeked, asked.columns)
    values = peeked.values(name) if name is not None and name in peeked.columns else []
    if "image" in peeked.columns:
        return kind_of("image_classification")
    if values and all(isinstance(value, list) for value in values):
        texts = [one for one in peeked.columns if one != name and isinstance(peeked.rows[0][one], list)]
        return kind_of("token_classification" if texts else "multi_label")
    if values and all(_has_point(value) for value in values):
        return kind_of("regression")
    return kind_of("classification")


def _has_point(value: Any) -> bool:
    if isinstance(value, float):
        return True
    try:
        float(str(value))
    except ValueError:
        return False
    return "." in str(value)


def _task(
    data: str, peeked: Peeked, kind: Kind, columns: Columns, asked: Asked
) -> tuple[dict[str, Any], dict[str, str]]:
    task: dict[str, Any] = {"kind": kind.name, "files": data, "split": dict(SPLIT)}
    why = {
        "split": "held out by a hash of each row, alike in each class; search decides, test is measured at the end",
        "label": "what it should answer",
    }
    if kind.inputs == "pixels":
        task["image"] = columns.texts[0]
    else:
        task["text"] = columns.texts[0] if len(columns.texts) == 1 else list(columns.texts)
        why["text"] = "what the model reads"
    if columns.label is None:
        task["labels"], why["labels"] = "none", "the model's own answers stand for them"
    else:
        task["label"] = columns.label
    task.update(peeked.settings)
    if columns.id is not None:
        task["id"] = columns.id
    if asked.metric is not None:
        task["metric"] = asked.metric
    return task, why


def _length(folder: Path, config: Mapping[str, Any], peeked: Peeked, columns: Columns) -> tuple[int, str]:
    """Tokens that most rows fit in, no more than the model has positions for."""
    limits = [config.get(name) for name in ("max_position_embeddings", "n_positions")]
    most = min([one for one in limits if isinstance(one, int) and one > 8] or [512])
    lengths = sorted(_lengths(folder, peeked, columns))
    if not lengths:
        return min(128, most), "tokens of a row; longer ones are cut, and counted"
    wanted = lengths[min(int(_COVERED * len(lengths)), len(lengths) - 1)]
    chosen = next((one for one in _LENGTHS if one >= wanted), _LENGTHS[-1])
    whole = sum(one <= chosen for one in lengths) / len(lengths)
    return min(chosen, most), f"tokens of a row; {100 * whole:.1f} % of the first {len(lengths)} are no longer"


def _lengths(folder: Path, peeked: Peeked, columns: Columns) -> list[int]:
    """Of the first rows, by the model's tokenizer where it is one file; empty where not."""
    if (folder / "tokenizer.json").is_file():
        sources.check_reader(folder)  # one that is damaged is a sentence
    tokenizer = whole_rows(folder)
    if tokenizer is None:
        return []
    texts = [_text(row, columns) for row in peeked.rows]
    return [len(one.ids) for one in tokenizer.encode_batch([text for text in texts if text])]


def _text(row: Mapping[str, Any], columns: Columns) -> str:
    parts = [row.get(name) or "" for name in columns.texts]
    return " ".join(" ".join(map(str, one)) if isinstance(one, list) else str(one) for one in parts)

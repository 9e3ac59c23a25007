"""What one does with a finished folder: score it, time it, ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axkit import certainty, measure
from axkit.anatomy.family import Family, family_of
from axkit.errors import CheckpointError, DataError
from axkit.models import read_config
from axkit.recipe import Samples
from axkit.saving.folder import load, read_manifest
from axkit.saving.opening import fit_padding, open_reader, token_limit
from axkit.tasks import images
from axkit.tasks.head import head_of
from axkit.tasks.images import ImageReader
from axkit.tasks.kinds import KINDS
from axkit.tasks.rows import load_rows
from axkit.tasks.spec import SplitName, resolve
from axkit.tasks.split import Split


def _about(folder: Path) -> Mapping[str, Any]:
    manifest = read_manifest(folder)
    return manifest["about"] if manifest else {}


@dataclass(frozen=True)
class Scored:
    """A model's score on a split: points of the metric, with a 95 % bootstrap interval.

    Attributes:
        others: the task's other metrics, and all of them on each part of the split, in points.
    """

    metric: str
    score: float
    low: float
    high: float
    rows: int
    others: Mapping[str, float] = field(default_factory=dict)


def evaluate(folder: str | Path, task: str | Mapping[str, Any] | None = None, split: SplitName = "test") -> Scored:
    """Score a saved model.

    Args:
        folder: a run folder, or any checkpoint with a head (then ``task`` must be given).
        task: another task than the folder's own; a registered name or a mapping.
        split: which one.

    Raises:
        AxkitError: no such folder, no task known, or labels that do not fit the head.
    """
    folder = Path(folder)
    model = load(folder)
    about = _about(folder)
    chosen = task if task is not None else about.get("task")
    if chosen is None:
        raise DataError(f"{folder} says nothing of a task; name one with --task")
    said_by = "--task" if task is not None else str(folder)
    resolved = resolve(chosen, lambda _: said_by)
    kind = KINDS[resolved.spec.kind]
    head = head_of(read_config(folder), kind.name, str(folder))
    if head is None:
        raise DataError(
            f"{folder} holds a {type(model).__name__}, task '{resolved.name}' is one of {resolved.spec.kind}; "
            f"name a task that fits"
        )
    samples = Samples.model_validate(about.get("samples", {})) if task is None else Samples()
    rows = load_rows(resolved, samples, head)
    family = _family(folder)
    reader = open_reader(folder, family)
    fit_padding(model, reader, family)
    data = Split(rows.splits[split], resolved.spec, kind, reader, token_limit(reader, model.config, family))
    found = data.evaluate(model)
    low, high = certainty.confidence_interval(data, found)
    others = {name: score for name, score in found.scores.items() if name != found.metric}
    return Scored(found.metric, found.score, low, high, len(found.labels), others)


def bench(folder: str | Path, against: str | Path | None = None) -> dict[str, measure.Speed]:
    """Time a saved model, in turn with another where one is given.

    Inputs have the lengths of the folder's own test rows; tokens and pixels are random, which no speed depends on.

    Raises:
        CheckpointError: a folder that does not load.
    """
    folders = {"result": Path(folder), **({"against": Path(against)} if against else {})}
    models = {name: load(path) for name, path in folders.items()}
    lengths = _about(Path(folder)).get("token_lengths") or [32] * 96
    reader = open_reader(Path(folder), _family(Path(folder)))
    if isinstance(reader, ImageReader):
        inputs = measure.Inputs.images(len(lengths), reader.shape)
    else:
        vocabulary = min(m.config.vocab_size for m in models.values())
        inputs = measure.Inputs.like(lengths, reader.model_input_names, vocabulary)
    return measure.speed(models, inputs)


def _family(folder: Path) -> Family:
    return family_of(read_config(folder)["model_type"])


def predict(folder: str | Path, text: str, pair: str | None = None) -> dict[str, float]:
    """Label -> probability (of several labels, each its own), or {"score": value} for regression.

    Args:
        folder: a run folder.
        text: or the path of an image, for a model that classifies images.
        pair: the other text, where the task is of pairs.

    Raises:
        DataError: the path is none of an image.
        CheckpointError: a folder that does not load, or a model without a classification head.
    """
    import torch

    folder = Path(folder)
    architecture = (read_config(folder).get("architectures") or ["?"])[0]
    if not architecture.endswith(("ForSequenceClassification", "ForImageClassification")):
        raise CheckpointError(f"{folder} holds a {architecture}, which classifies nothing; give a run folder")
    family = _family(folder)
    model, reader = load(folder), open_reader(folder, family)
    limit = token_limit(reader, model.config, family)
    if isinstance(reader, ImageReader):
        if pair is not None:
            raise DataError(f"{folder} classifies one image at a time; leave the second argument off")
        pixels = reader.pixels(images.content(text, "axkit predict"), text)[None]
        inputs = {"pixel_values": torch.from_numpy(reader.values(pixels))}
    else:
        inputs = reader(text, pair, truncation=True, max_length=limit, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0].float()
    if model.config.problem_type == "regression":
        return {"score": float(logits[0])}
    several = model.config.problem_type == "multi_label_classification"
    shares = logits.sigmoid() if several else logits.softmax(-1)
    return {model.config.id2label[i]: p for i, p in enumerate(shares.tolist())}

"""What one does with a finished folder: score it, time it, ask it."""

from __future__ import annotations

from pathlib import Path

from axkit import measure
from axkit.anatomy.family import Family, family_of
from axkit.errors import CheckpointError, DataError
from axkit.models import read_config
from axkit.saving.folder import load
from axkit.saving.opening import open_reader, token_limit
from axkit.scoring import Scored, about_of, evaluate
from axkit.tasks import images
from axkit.tasks.images import ImageReader

__all__ = ["Scored", "bench", "evaluate", "predict"]


def bench(folder: str | Path, against: str | Path | None = None) -> dict[str, measure.Speed]:
    """Time a saved model, in turn with another where one is given.

    Inputs have the lengths of the folder's own test rows; tokens and pixels are random, which no speed depends on.

    Raises:
        CheckpointError: a folder that does not load.
    """
    folders = {"result": Path(folder), **({"against": Path(against)} if against else {})}
    models = {name: load(path) for name, path in folders.items()}
    lengths = about_of(Path(folder)).get("token_lengths") or [32] * 96
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

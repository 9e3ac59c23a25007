"""What one does with a finished folder: score it, time it, ask it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from axkit.checkpoint.sources import read_config
from axkit.finished.opened import device_for, open_finished, target_for
from axkit.finished.score import Scored, about_of, evaluate
from axkit.ground.device import AUTO
from axkit.ground.target import DEFAULT
from axkit.measure import speed as measure
from axkit.measure.inputs import Inputs
from axkit.tasks.asking import asked
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.base import Said
from axkit.tasks.split import Split

__all__ = ["Scored", "bench", "evaluate", "predict"]


def bench(folder: str | Path, against: str | Path | None = None, device: str | None = None) -> dict[str, measure.Speed]:
    """Time a saved model, in turn with another where one is given.

    Inputs have the lengths of the folder's own test rows; tokens and pixels are random, which no speed depends on.

    Args:
        folder: a run folder, or any checkpoint with a head.
        against: likewise.
        device: where they are timed; None: where the folder's recipe has its target, the CPU without one.

    Raises:
        CheckpointError: a folder that does not load.
        DeviceError: a model computes otherwise there, or there is no such device.
    """
    folders = {"result": Path(folder), **({"against": Path(against)} if against else {})}
    opened = {name: open_finished(path) for name, path in folders.items()}
    models = {name: one.subject.body for name, one in opened.items()}
    about = about_of(Path(folder))
    target = target_for(list(opened.values()), about.target or DEFAULT, device)
    lengths = about.token_lengths or [32] * 96
    reader = opened["result"].reader
    if isinstance(reader, ImageReader):
        inputs = Inputs.images(len(lengths), reader.shape, target.batch)
    else:
        vocabulary = min(int(body.config["vocab_size"]) for body in models.values())
        inputs = Inputs.like(lengths, reader.model_input_names, vocabulary, target.batch)
    return measure.speed(models, inputs, target=target)


def predict(
    folder: str | Path,
    text: str,
    pair: str | None = None,
    say: Callable[[str], None] | None = None,
    device: str = AUTO,
) -> Said:
    """Ask a model about one input; what it says goes by its kind of task.

    Args:
        folder: a run folder, or any checkpoint with a head.
        text: or the path of an image, words to be tagged, or a question.
        pair: the other text, where the task is of pairs; the context of a question.
        say: told where the text is longer than what is read.
        device: where it is asked, as ``--device`` has it.

    Returns:
        label -> probability; several labels: each its own; a score: {"score": value}. Tags: for each word "word", "tag"
        and "probability". A question: "answer" ("" for none), "start", its first character, and "score", 0..1.

    Raises:
        DataError: no image, no text, or another number of texts than the task has.
        CheckpointError: a folder that does not load, or a model without a head that axkit knows.
    """
    folder = Path(folder)
    how = asked(folder, read_config(folder), about_of(folder))
    texts = how.texts(folder, text, pair)
    opened = open_finished(folder)
    reader, limit = opened.reader, opened.limit
    spec, rows = how.spec_for(limit), how.kind.voice.asked(texts, how.names)
    split = Split(rows, spec, how.kind, reader, limit)
    longest = how.kind.feed.limit(spec, limit)
    if say is not None and how.kind.voice.was_cut(texts, reader, longest, split.encoded):
        say(f"the text is longer than the {longest} tokens that are read; the rest was left out")
    with opened.on(device_for(opened.subject, device)):
        heard = split.heard(opened.subject.body, how.voice)
    return how.voice.said(heard, split.encoded, spec, rows)

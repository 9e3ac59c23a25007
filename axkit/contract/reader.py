"""What makes a model's inputs: a tokenizer of transformers, or an image reader. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from axkit.tasks.image_reader import ImageReader


@runtime_checkable
class Reader(Protocol):
    """A field of every subject, for it goes with the model: a pass that changes what the ids are sets another one.

    Every tokenizer of transformers is one; so is ``axkit.tasks.image_reader.ImageReader``. Which of the two a
    family reads with is ``family.inputs``; the kinds of task ask it for what they need.

    Attributes:
        model_input_names: the inputs that it makes, in its order.
    """

    model_input_names: Sequence[str]

    def save_pretrained(self, save_directory: str | Path, /) -> Any:
        """Write it into a folder, so that it makes the same of every row when it is opened there."""
        ...


def reads_alike(one: Any, other: Any) -> bool:
    """Whether two readers give the same ids to the same pieces of text, or make the same of every image."""
    if isinstance(one, ImageReader) or isinstance(other, ImageReader):
        return isinstance(one, ImageReader) and isinstance(other, ImageReader) and one.makes_the_same(other)
    return bool(one.get_vocab() == other.get_vocab())

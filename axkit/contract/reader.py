"""What makes a model's inputs: a tokenizer of transformers, or an image reader. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Reader(Protocol):
    """A field of every subject, for it goes with the model: a pass that changes what the ids are sets another one.

    Every tokenizer of transformers is one; so is :class:`axkit.tasks.image_reader.ImageReader`. Which of the two a family
    reads with is ``family.inputs``; the kinds of task ask it for what they need.

    Attributes:
        model_input_names: the inputs that it makes, in its order.
    """

    model_input_names: Sequence[str]

    def save_pretrained(self, save_directory: str | Path, /) -> Any:
        """Write it into a folder, so that it makes the same of every row when it is opened there."""
        ...

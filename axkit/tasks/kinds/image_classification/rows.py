"""Image classification without torch: a row is an image, and a label is a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axkit.tasks import image_reader as images
from axkit.tasks.kinds.classification.rows import ClassRows, ShownClasses
from axkit.tasks.kinds.data import shortened
from axkit.tasks.spec import Row, TaskSpec


class ShownImages(ShownClasses):
    """Paths of images, and names of classes."""

    def text(self, text: Sequence[Any]) -> str:
        """The path, where there is one."""
        return shortened(text[0] if isinstance(text[0], str) else "an image")


class ImageRows(ClassRows):
    """Images with one label of several."""

    shown = ShownImages()

    def texts(self, spec: TaskSpec, row: Row, where: str) -> tuple[Any, ...]:
        """The image: a path, or the content of a file."""
        return images.image_of(spec, row, where)

    def alike(self, text: tuple[Any, ...], where: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Doubles are files of the same content."""
        data = images.content(text[0], where)
        images.decoded(data, where)
        return (data,), (data,)

"""Image classification where it computes: as classification does, on pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.tasks import image_reader as images
from axkit.tasks.kinds.classification.compute import Classification, Shares
from axkit.tasks.kinds.feed import Encoded, Feed
from axkit.tasks.kinds.image_classification import KIND
from axkit.tasks.prepare import Job, prepared
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec


class ImageFeed(Feed):
    """An example is kept as the pixels that the model's image reader leaves, 8 bits each."""

    def limit(self, spec: TaskSpec, model: int) -> int:
        """All images are of one size: as many tokens as the model makes of it."""
        return model

    def encode(self, rows: SplitRows, job: Job) -> Encoded:
        """Decode, resize, crop; nothing is lost to a limit."""
        made = prepared(rows, self.examples, {"pixels": "=binary"}, job)
        return Encoded(made, np.full(len(rows), job.limit), rows.labels, rows.labels, 0)

    def examples(self, texts: list[tuple[Any, ...]], labels: Any, first: int, job: Job) -> dict[str, list[Any]]:
        """The pixels of each row."""
        return {"pixels": [job.reader.pixels(images.content(value)).tobytes() for (value,) in texts]}

    def inputs(self, examples: dict[str, list[Any]], reader: Any) -> dict[str, Tensor]:
        """(batch, channels, height, width), rescaled and normalised."""
        pixels = np.stack([np.frombuffer(one, np.uint8).reshape(reader.shape) for one in examples["pixels"]])
        return {"pixel_values": torch.from_numpy(reader.values(pixels))}


class ImageShares(Shares):
    """Probabilities of labels, for the image of a path."""

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """The image of a path, read at once."""
        return SplitRows([({"bytes": images.content(texts[0], "axkit predict")},)], np.zeros(1, np.int64), names)

    def was_cut(self, texts: tuple[str, ...], reader: Any, limit: int, encoded: Encoded) -> bool:
        """Never: an image is resized."""
        return False


class ImageClassification(Classification):
    """One label of several for each image."""

    about = KIND
    feed = ImageFeed()
    voice = ImageShares()

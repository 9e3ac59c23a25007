"""Many texts asked about at once: tokenized together, batched by their lengths, answered in the order given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from axkit.checkpoint.sources import read_config
from axkit.contract.subject import Subject
from axkit.finished.opened import Opened, device_for, open_finished, opened_with
from axkit.finished.score import about_of
from axkit.ground.device import AUTO, Device, device_of
from axkit.ground.errors import DataError
from axkit.runtimes import folder as folders
from axkit.tasks.asking import Asked, asked
from axkit.tasks.batching import token_batches
from axkit.tasks.kinds.base import Encoded, Said
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.split import Split

TOKENS, ROWS = 4096, 64  # of a batch
_AT_ONCE = 4096  # texts that are tokenized, and held, together


@dataclass(frozen=True)
class Predictor:
    """A finished folder of any runtime that stays open.

    Attributes:
        folder: that it was opened from.
        opened: its body and reader.
        how: it is asked.
        device: where.
    """

    folder: Path
    opened: Opened
    how: Asked
    device: Device

    @classmethod
    def open(cls, folder: str | Path, device: str = AUTO) -> Predictor:
        """Of a run folder, an exported one, or any checkpoint with a head.

        Raises:
            CheckpointError: a folder that does not load, or a model without a head that axkit knows.
            DeviceError: the model computes otherwise there, or there is no such device.
        """
        folder = Path(folder)
        how, opened = asked(folder, read_config(folder), about_of(folder)), open_finished(folder)
        return cls(folder, opened, how, device_for(opened.subject, device))

    def predict_many(
        self, texts: Iterable[str | tuple[str, str]], tokens: int = TOKENS, rows: int = ROWS
    ) -> list[Said]:
        """What the model says of each text, as ``axkit.finished.use.predict`` has it, in the order given.

        Args:
            texts: each a text, the path of an image, words to be tagged; or a pair, of texts or of a question and its
                context.
            tokens: of a batch, at most, its padding counted: texts are sorted by length, so there is little of it.
            rows: of a batch, at most.

        Raises:
            DataError: a text that is none, or another number of texts than the task has.
        """
        if tokens < 1 or rows < 1:
            raise DataError(f"batches of {tokens} tokens and {rows} rows hold nothing; give numbers from 1 on")
        found: list[Said] = []
        with self.opened.on(self.device):
            for some in _portions(texts):
                found += self._said(some, tokens, rows)
        return found

    def _said(self, texts: Sequence[str | tuple[str, str]], tokens: int, most: int) -> list[Said]:
        how, spec = self.how, self.how.spec_for(self.opened.limit)
        pairs = [(text, None) if isinstance(text, str) else text for text in texts]
        each = [how.kind.voice.asked(how.texts(self.folder, *pair), how.names) for pair in pairs]
        together = SplitRows([one.texts[0] for one in each], np.concatenate([one.labels for one in each]), how.names)
        split = Split(together, spec, how.kind, self.opened.reader, self.opened.limit)
        batches = token_batches(split.lengths, tokens, most)
        heard = split.heard(self.opened.subject.body, how.voice, batches=batches)
        numbers = how.kind.feed.row_numbers(split.encoded)
        rows = zip(each, _by_row(split.encoded, heard, numbers), strict=True)
        return [how.voice.said(its, encoded, spec, row) for row, (encoded, its) in rows]


def _portions(texts: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(texts)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _by_row(encoded: Encoded, heard: Sequence[Any], numbers: Sequence[int]) -> Iterator[tuple[Encoded, Sequence[Any]]]:
    """Of each row its own examples, as if it had been tokenized alone, and what was heard of them."""
    labels = encoded.labels if isinstance(encoded.labels, np.ndarray) else list(encoded.labels)
    notes, start = list(encoded.notes), 0
    for row in range(len(encoded.golds)):
        end, gold = start, encoded.golds[row : row + 1]
        while end < len(numbers) and numbers[end] == row:
            end += 1
        examples = encoded.examples.select(range(start, end))
        its = Encoded(examples, encoded.lengths[start:end], labels[start:end], gold, 0, notes[start:end])
        yield its, heard[start:end]
        start = end


class _Many:
    """``axkit.load(folder).predict_many``: a model's own, asked where it is.

    Args:
        folder: that the model was loaded from.
        subject: with the model.
    """

    def __init__(self, folder: Path, subject: Subject) -> None:
        self._folder, self._subject = folder, subject
        self._predictor: Predictor | None = None  # loading a model opens no tokenizer

    def __call__(self, texts: Iterable[str | tuple[str, str]], tokens: int = TOKENS, rows: int = ROWS) -> list[Said]:
        if self._predictor is None:
            how = asked(self._folder, read_config(self._folder), about_of(self._folder))
            opened = opened_with(self._folder, self._subject)
            self._predictor = Predictor(self._folder, opened, how, device_of(self._subject.module))
        here = replace(self._predictor, device=device_of(self._subject.module))
        return here.predict_many(texts, tokens, rows)


def load(folder: str | Path) -> Any:
    """Load a model that axkit saved, as an ordinary transformers model in eval mode.

    It has one thing more: ``model.predict_many(texts, tokens=4096, rows=64)``, which says of each text what ``axkit
    predict`` does, in batches of like lengths, and in the order given (``Predictor.predict_many``).

    Args:
        folder: a run folder, or any transformers checkpoint with safetensors.

    Raises:
        CheckpointError: one sentence that says what is wrong with the folder.
        NotApplicable: it holds no transformers model, but another runtime's (see ``axkit.load_subject``, and
            ``Predictor``, which takes any).
    """
    subject = folders.load_to_work(folder)
    module = subject.module
    module.predict_many = _Many(Path(folder), subject)
    return module

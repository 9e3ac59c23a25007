"""Rows without labels: the dense model's own answers stand in their place (docs/decisions/0038)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from axkit.ground.errors import NotApplicable
from axkit.ground.progress import Progress, Silent
from axkit.tasks.answering import answering
from axkit.tasks.kinds.wanted import Wanted, own
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.split import Split

_BATCH = 64


@dataclass(frozen=True)
class Answers:
    """What a model says of a split.

    Attributes:
        labels: per row, as ``SplitRows.labels`` has them: class, score, labels, tags or answer.
        wanted: its logits, per example.
        lengths: of the examples, in tokens.
    """

    labels: Any
    wanted: Wanted
    lengths: Any

    @classmethod
    @torch.inference_mode()
    def of(cls, model: Any, split: Split, progress: Progress | None = None) -> Answers:
        """Ask a model, a body or a torch module, about all examples.

        Args:
            model: where it is; in whatever mode.
            split: the rows as the model's own reader makes them; its labels say no more than where there is something
                to answer.
            progress: told how far it is.
        """
        found: list[Any] = [None] * len(split)
        logits: list[Any] = [None] * len(split)
        every = (progress or Silent()).track(split.batches(_BATCH), "asking the model", -(-len(split) // _BATCH))
        with answering(model) as answer:
            for batch in every:
                said = split.kind.logits(answer(batch.inputs)).float().cpu()
                predicted = split.kind.predictions(said, batch.labels)
                for place, row in enumerate(batch.rows.tolist()):
                    found[row], logits[row] = predicted[place], own(said[place], int(split.lengths[row]))
        labels = split.kind.feed.answers(found, split.encoded, split.spec)
        return cls(labels, Wanted.of(logits), split.lengths)

    def as_labels(self, rows: SplitRows) -> SplitRows:
        """The rows that were asked about, with the answers in the place of labels."""
        digest = hashlib.sha256(rows.digest.encode())
        digest.update(repr(self.labels.tolist()).encode("utf-8", "surrogatepass"))
        return replace(rows, labels=self.labels, digest=digest.hexdigest() if rows.digest else "")

    def for_examples(self, split: Split) -> Wanted:
        """The logits, for the same rows as another reader makes them.

        Raises:
            NotApplicable: there is one for each token, and the other reader makes others.
        """
        if self.wanted.by_token and not np.array_equal(self.lengths, split.lengths):
            raise NotApplicable(
                f"texts are cut into other tokens than the dense model's, and {split.spec.kind} is compared with its "
                f"answers token by token; leave out the pass that changes the tokenizer"
            )
        return self.wanted

    def asked_of(self, split: Split) -> Split:
        """The same rows, as some reader makes them, to be held against the logits from now on.

        Raises:
            NotApplicable: as ``for_examples``.
        """
        split.encoded = replace(split.encoded, wanted=self.for_examples(split))
        return split

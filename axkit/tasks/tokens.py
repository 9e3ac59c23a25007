"""Token classification: one tag per word, told at the word's first piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from axkit.tasks import metrics
from axkit.tasks.kind import Encoded, TaskKind, divergence, objects, pick_inputs
from axkit.tasks.rows import SplitRows
from axkit.tasks.spec import TaskSpec

IGNORED = -100  # torch's and transformers' mark for positions without a label
OUTSIDE = "O"


class TokenClassification(TaskKind):
    """A tag for each word; the first piece of a word carries it, the others are ignored (Devlin et al. 2018)."""

    name = "token_classification"
    metrics: ClassVar = {"entity_f1": metrics.entity_f1, "token_accuracy": metrics.token_accuracy}

    def encode(self, rows: SplitRows, spec: TaskSpec, tokenizer: Any, limit: int) -> Encoded:
        """One example per row; pieces are matched to words by their characters, which any fast tokenizer tells."""
        texts = [" ".join(words) for words in rows.texts]
        encoded = tokenizer(texts, truncation=True, max_length=limit, return_offsets_mapping=True)
        number = {name: index for index, name in enumerate(rows.label_names)}
        labels, notes, lost = [], [], 0
        for i, (words, tags) in enumerate(zip(rows.texts, rows.labels, strict=True)):
            first = _first_pieces(words, texts[i], encoded["offset_mapping"][i])
            label = [IGNORED] * len(encoded["input_ids"][i])
            for word, piece in first.items():
                label[piece] = number[tags[word]]
            labels.append(label)
            notes.append((list(first), rows.label_names))
            lost += len(words) - 1 not in first
        return Encoded(pick_inputs(tokenizer, encoded, len(rows)), objects(labels), rows.labels, lost, notes)

    def collate(self, labels: Sequence[Any], tokens: int) -> Tensor:
        """(batch, tokens); ``IGNORED`` where there is no label."""
        padded = torch.full((len(labels), tokens), IGNORED)
        for row, label in enumerate(labels):
            padded[row, : len(label)] = torch.tensor(label)
        return padded

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy, mean over the words of each row."""
        flat = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), reduction="none", ignore_index=IGNORED
        )
        words = (labels != IGNORED).sum(1).clamp_min(1)
        return flat.view_as(labels).sum(1) / words

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence at the pieces that carry a tag, mean over the words of each row."""
        tagged = labels != IGNORED
        apart = divergence(logits, wanted, temperature).where(tagged, 0.0)
        return apart.sum(1) / tagged.sum(1).clamp_min(1)

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The tags of each row's words that have a piece."""
        best = logits.argmax(-1)
        return [row[label != IGNORED].tolist() for row, label in zip(best, labels, strict=True)]

    def gather(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """A tag for every word; one that was cut off or has no piece counts as outside."""
        rows = []
        for tags, (words, names), gold in zip(found, encoded.notes, encoded.golds, strict=True):
            outside = OUTSIDE if OUTSIDE in names else names[0]
            row = [outside] * len(gold)
            for word, tag in zip(words, tags, strict=True):
                row[word] = names[tag]
            rows.append(tuple(row))
        return objects(rows)

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per tag."""
        return len(label_names)

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The most frequent tag of train, for every word."""
        (most, _), *_ = Counter(tag for tags in train_labels for tag in tags).most_common(1)
        return objects([(most,) * len(gold) for gold in golds])


def _first_pieces(words: Sequence[str], text: str, offsets: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Word -> its first piece. Some tokenizers count the space before a word as part of the piece."""
    word_at = [index for index, word in enumerate(words) for _ in range(len(word) + 1)]
    first: dict[int, int] = {}
    for piece, (start, end) in enumerate(offsets):
        while start < end and text[start] == " ":
            start += 1
        if start < end:  # special tokens are empty
            first.setdefault(word_at[start], piece)
    return dict(sorted(first.items()))

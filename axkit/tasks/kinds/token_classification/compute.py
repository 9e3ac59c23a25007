"""Token classification where it computes: one tag per word, told at the word's first piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from axkit.tasks.kinds.base import TaskKind, divergence
from axkit.tasks.kinds.feed import Encoded, Feed, column_type, input_names, need_offsets, whole
from axkit.tasks.kinds.luck import objects
from axkit.tasks.kinds.token_classification import KIND
from axkit.tasks.kinds.voice import Said, Voice
from axkit.tasks.labels.columns import listed
from axkit.tasks.prepare import Job, list_lengths, numbers, prepared
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.source.table import Column
from axkit.tasks.spec import TaskSpec

IGNORED = -100  # torch's and transformers' mark for positions without a label
OUTSIDE = "O"


class WordFeed(Feed):
    """The first piece of a word carries its tag, the others are ignored (Devlin et al. 2018)."""

    def encode(self, rows: SplitRows, job: Job) -> Encoded:
        """One example per row; pieces are matched to words by their characters, which any fast tokenizer tells."""
        need_offsets(job.reader, KIND.name)
        names = input_names(job.reader)
        columns = {name: column_type(name) for name in names} | {"tags": "int32", "words": "int32", "cut": "=bool"}
        made = prepared(rows, self.examples, columns, job)
        notes = Column(made, ["words"], lambda words: (words, job.label_names))
        lost = int(numbers(made, "cut").sum())
        inputs = made.select_columns(names)
        return Encoded(inputs, whole(list_lengths(made, "tags")), Column(made, ["tags"]), rows.labels, lost, notes)

    def examples(self, texts: list[tuple[Any, ...]], labels: Any, first: int, job: Job) -> dict[str, list[Any]]:
        """Besides the inputs: the tag of each piece, the words that have one, and whether pieces were cut off."""
        joined = [" ".join(words) for words in texts]
        encoded = job.reader(joined, truncation=True, max_length=job.limit, return_offsets_mapping=True)
        number = {name: index for index, name in enumerate(job.label_names)}
        made: dict[str, list[Any]] = {name: encoded[name] for name in input_names(job.reader)}
        made |= {"tags": [], "words": [], "cut": []}
        for i, (words, tags) in enumerate(zip(texts, labels, strict=True)):
            first_pieces = _first_pieces(words, joined[i], encoded["offset_mapping"][i])
            cut = bool(encoded.encodings[i].overflowing)
            if cut and job.reader.truncation_side == "left":
                _drop_rest_of_a_word(first_pieces, words, encoded["offset_mapping"][i])
            label = [IGNORED] * len(encoded["input_ids"][i])
            for word, piece in first_pieces.items():
                label[piece] = number[tags[word]]
            made["tags"].append(label)
            made["words"].append(list(first_pieces))
            made["cut"].append(cut)
        return made

    def collate(self, labels: Sequence[Any], tokens: int) -> Tensor:
        """(batch, tokens); ``IGNORED`` where there is no label."""
        padded = torch.full((len(labels), tokens), IGNORED)
        for row, label in enumerate(labels):
            padded[row, : len(label)] = torch.tensor(label)
        return padded

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

    def sure(self, found: Sequence[Any], shares: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Sequence[Any]:
        """A probability for every word; None for one that was cut off or has no piece."""
        rows = []
        for share, (words, _), gold in zip(shares, encoded.notes, encoded.golds, strict=True):
            row: list[float | None] = [None] * len(gold)
            for word, one in zip(words, share, strict=True):
                row[word] = one
            rows.append(row)
        return rows


class Tagged(Voice):
    """A tag for each word."""

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """The words of a text; each has some tag, so that its first piece is marked."""
        words = tuple(listed(texts[0]) or ())
        return SplitRows([words], objects([(names[0],) * len(words)]), names)

    def heard(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """Probabilities of the tags, (words that have a piece, tags)."""
        return [row[label != IGNORED] for row, label in zip(logits.float().softmax(-1), labels, strict=True)]

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """For each word its tag and the probability of that; outside, and None, where a word has no piece."""
        ((with_piece, names),) = encoded.notes
        outside = OUTSIDE if OUTSIDE in names else names[0]
        told: list[dict[str, Any]] = [{"word": word, "tag": outside, "probability": None} for word in rows.texts[0]]
        for word, shares in zip(with_piece, heard[0], strict=True):
            told[word] |= {"tag": names[int(shares.argmax())], "probability": float(shares.max())}
        return told

    def was_cut(self, texts: tuple[str, ...], reader: Any, limit: int, encoded: Encoded) -> bool:
        """True where a word lost pieces."""
        return encoded.at_limit > 0


class TokenClassification(TaskKind):
    """A tag for each word; the first piece of a word carries it, the others are ignored (Devlin et al. 2018)."""

    about = KIND
    feed = WordFeed()
    voice = Tagged()

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

    def confidences(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The probability of each of these tags."""
        best = logits.float().softmax(-1).amax(-1)
        return [row[label != IGNORED].tolist() for row, label in zip(best, labels, strict=True)]

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The tags of each row's words that have a piece."""
        best = logits.argmax(-1)
        return [row[label != IGNORED].tolist() for row, label in zip(best, labels, strict=True)]


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


def _drop_rest_of_a_word(first: dict[int, int], words: Sequence[str], offsets: Sequence[tuple[int, int]]) -> None:
    """Forget a first word that lost its beginning to truncation on the left: what is left is no first piece."""
    if first:
        word, piece = next(iter(first.items()))
        if offsets[piece][0] > sum(len(before) + 1 for before in words[:word]):
            del first[word]

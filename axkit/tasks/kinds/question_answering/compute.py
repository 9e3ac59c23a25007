"""Question answering where it computes: start and end of the answer, in windows where the context is long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.ground.errors import DataError
from axkit.tasks.kinds.base import TaskKind, divergence
from axkit.tasks.kinds.feed import Encoded, Feed, column_type, input_names, need_offsets, part_of
from axkit.tasks.kinds.luck import objects
from axkit.tasks.kinds.question_answering import KIND
from axkit.tasks.kinds.question_answering.spans import Window, best_span, numbered, real_tokens, share, text_of
from axkit.tasks.kinds.voice import Said, Voice
from axkit.tasks.prepare import Job, list_lengths, numbers, prepared
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.source.table import Column
from axkit.tasks.spec import TaskSpec

QUESTION_TOKENS = 64  # longer questions are cut (Devlin et al. 2018, run_squad)
_WINDOW, _STRIDE = 384, 128  # of SQuAD's models, where a folder says nothing of a task


class WindowFeed(Feed):
    """An example is a window, a row a question."""

    def encode(self, rows: SplitRows, job: Job) -> Encoded:
        """Windows of ``job.limit`` tokens that share ``spec.stride`` tokens of context."""
        need_offsets(job.reader, KIND.name)
        _room(job)
        names = input_names(job.reader)
        columns = {name: column_type(name) for name in names} | {"from": "int32", "to": "int32"}
        made = prepared(rows, self.examples, columns | dict.fromkeys(("row", "null", "start", "end"), "=int64"), job)
        lengths = list_lengths(made, "input_ids")
        labels = np.stack([numbers(made, "start"), numbers(made, "end"), lengths], 1).astype(np.int64)

        def window(row: int, starts: list[int], ends: list[int], null: int) -> Window:
            spans = [(s, e) if s >= 0 else None for s, e in zip(starts, ends, strict=True)]
            return Window(row, rows.texts[row][1], spans, null)

        golds = objects([tuple(text for _, text in answers) for answers in rows.labels])
        notes = Column(made, ["row", "from", "to", "null"], window)
        return Encoded(made.select_columns(names), lengths, labels, golds, 0, notes)

    def examples(self, texts: list[tuple[Any, ...]], labels: Any, first: int, job: Job) -> dict[str, list[Any]]:
        """Besides the inputs, of each window: its row, the characters of each token (-1 outside the context), the
        token of "no answer", and the first and last token of the answer.
        """
        room = min(QUESTION_TOKENS, _room(job))
        contexts = [context for _, context in texts]
        encoded = job.reader(
            [_cut(job.reader, question, room) for question, _ in texts],
            contexts,
            truncation="only_second",
            max_length=job.limit,
            stride=job.spec.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        made: dict[str, list[Any]] = {name: encoded[name] for name in input_names(job.reader)}
        made |= {name: [] for name in ("from", "to", "row", "null", "start", "end")}
        for i, row in enumerate(encoded["overflow_to_sample_mapping"]):
            inside = [sequence == 1 for sequence in encoded.sequence_ids(i)]
            spans = [tuple(s) if there else None for s, there in zip(encoded["offset_mapping"][i], inside, strict=True)]
            ids = encoded["input_ids"][i]
            null = ids.index(job.reader.cls_token_id) if job.reader.cls_token_id in ids else 0
            start, end = _positions(Window(row, contexts[row], spans, null), labels[row])
            values = {"row": first + row, "null": null, "start": start, "end": end}
            values |= {name: [span[k] if span else -1 for span in spans] for k, name in enumerate(("from", "to"))}
            for name, value in values.items():
                made[name].append(value)
        return made

    def collate(self, labels: Sequence[Any], tokens: int) -> Tensor:
        """(batch, tokens, 2), start and end: 1 at the position, -1 where a window is padded, else 0."""
        made = torch.zeros(len(labels), tokens, 2, dtype=torch.long)
        for row, (start, end, length) in enumerate(labels):
            made[row, start, 0] = made[row, end, 1] = 1
            made[row, length:] = -1
        return made

    def targets(self, labels: Tensor) -> dict[str, Tensor]:
        """Start and end positions, (batch,) each."""
        start, end = labels.argmax(1).unbind(-1)
        return {"start_positions": start, "end_positions": end}

    def gather(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """The best answer of each question over its windows; the empty text for "no answer" (as run_squad does)."""
        return objects([text for text, _ in self._best(found, encoded, spec)])

    def answers(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """The same with its first character; an empty tuple for "no answer"."""
        return objects([((start, text),) if text else () for text, start in self._best(found, encoded, spec)])

    def _best(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> list[tuple[str, int]]:
        """(text, first character) of each question's answer."""
        best = [(-np.inf, "", 0)] * len(encoded.golds)
        null = np.full(len(encoded.golds), np.inf)
        for logits, window in zip(found, encoded.notes, strict=True):
            null[window.row] = min(null[window.row], float(logits[window.null].sum()))
            score, where = best_span(logits, window, spec.max_answer_tokens)
            text, start = text_of(window, where) if where else ("", 0)
            best[window.row] = max(best[window.row], (score, text, start))
        threshold = spec.no_answer_threshold
        return [
            ("", 0) if threshold is not None and null[row] - score > threshold else (text, start)
            for row, (score, text, start) in enumerate(best)
        ]

    def row_numbers(self, encoded: Encoded) -> Sequence[int]:
        """The question of each window."""
        return [window.row for window in encoded.notes]

    def sure(self, found: Sequence[Any], shares: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Sequence[Any]:
        """The probability, in its window, of the span that ``gather`` takes; of no answer where it takes none."""
        best: list[tuple[float, float]] = [(-np.inf, 0.0)] * len(encoded.golds)
        null: list[tuple[float, float]] = [(np.inf, 0.0)] * len(encoded.golds)
        for logits, window in zip(found, encoded.notes, strict=True):
            silent, row = share(logits, window.null, window.null), window.row
            null[row] = min(null[row], (float(logits[window.null].sum()), silent))
            score, where = best_span(logits, window, spec.max_answer_tokens)
            best[row] = max(best[row], (score, share(logits, *where) if where else silent))
        threshold = spec.no_answer_threshold
        return [
            no_share if threshold is not None and no_score - score > threshold else one
            for (score, one), (no_score, no_share) in zip(best, null, strict=True)
        ]

    def first(self, encoded: Encoded, examples: int) -> Encoded:
        """Windows of whole questions: the last one's are all there, so it may be some more than asked for."""
        row = encoded.notes[examples - 1].row
        while examples < len(encoded.lengths) and encoded.notes[examples].row == row:
            examples += 1
        return part_of(encoded, examples, row + 1)


class Spoken(Voice):
    """An answer, where it stands, and its probability."""

    pair = "a question and its context"

    def lengths(self, limit: int) -> Mapping[str, int]:
        """Windows as SQuAD's models have them."""
        return {"max_length": min(_WINDOW, limit), "stride": min(_STRIDE, limit // 4)}

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """A question without an answer."""
        return SplitRows([texts], objects([()]))

    def heard(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The logits of each window's real tokens, (tokens, 2)."""
        return real_tokens(logits, labels)

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """The answer that ``gather`` gives, where it starts, and its probability in its window; "" for none."""
        spans = [(best_span(logits, w, spec.max_answer_tokens), i) for i, (logits, w) in numbered(heard, encoded)]
        (score, where), number = max(spans, key=lambda one: one[0][0])
        null, silent = min((float(logits[w.null].sum()), i) for i, (logits, w) in numbered(heard, encoded))
        threshold = spec.no_answer_threshold
        if where is None or (threshold is not None and null - score > threshold):
            place = encoded.notes[silent].null
            return {"answer": "", "start": None, "score": share(heard[silent], place, place)}
        window = encoded.notes[number]
        text, start = text_of(window, where)
        return {"answer": text, "start": start, "score": share(heard[number], *where)}

    def was_cut(self, texts: tuple[str, ...], reader: Any, limit: int, encoded: Encoded) -> bool:
        """Never: contexts are read in windows, and no question is as long as what is cut of one."""
        return False


class QuestionAnswering(TaskKind):
    """Start and end of an answer. An example is a window, a row a question."""

    about = KIND
    feed = WindowFeed()
    voice = Spoken()

    def logits(self, output: Mapping[str, Tensor]) -> Tensor:
        """(batch, tokens, 2): start and end."""
        return torch.stack([output["start_logits"], output["end_logits"]], -1)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of the start plus that of the end, over real tokens."""
        masked = logits.float().masked_fill(labels < 0, float("-inf"))
        return torch.where(labels == 1, -masked.log_softmax(1), 0.0).sum((1, 2))

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence of the start plus that of the end, over real tokens."""
        ours, theirs = (self.outcomes(part.float().masked_fill(labels < 0, float("-inf"))) for part in (logits, wanted))
        return divergence(ours, theirs, temperature).sum(1)

    def outcomes(self, logits: Tensor) -> Tensor:
        """Places in the text, for start and end: (batch, 2, tokens)."""
        return logits.transpose(1, 2)

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The logits of each window's real tokens, (tokens, 2)."""
        return real_tokens(logits, labels)


def _room(job: Job) -> int:
    """Tokens of a window that are left for the question.

    Raises:
        DataError: the stride leaves none.
    """
    room = job.limit - job.spec.stride - int(job.reader.num_special_tokens_to_add(pair=True)) - 8
    if room < 8:
        raise DataError(
            f"a stride of {job.spec.stride} leaves no room in windows of {job.limit} tokens; make it smaller"
        )
    return room


def _cut(tokenizer: Any, question: str, tokens: int) -> str:
    """A question of at most so many tokens; leading space goes, as it would use up tokens."""
    bare = question.lstrip()
    encoded = tokenizer(bare, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    return bare if len(offsets) <= tokens else bare[: offsets[tokens - 1][1]]


def _positions(window: Window, answers: Sequence[tuple[int, str]]) -> tuple[int, int]:
    """First and last token of the first answer; the null token twice where the window does not hold all of it."""
    if answers:
        first, text = answers[0]
        last = first + len(text) - 1
        holds = [
            [i for i, span in enumerate(window.spans) if span and span[0] <= character < span[1]]
            for character in (first, last)
        ]
        if all(holds):
            return holds[0][0], holds[1][-1]
    return window.null, window.null

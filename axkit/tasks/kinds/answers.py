"""Question answering: the span of a context that answers a question, in windows where the context is long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from axkit.ground.errors import DataError
from axkit.tasks.kinds import squad
from axkit.tasks.kinds.base import (
    Constant,
    Encoded,
    Said,
    TaskKind,
    column_type,
    divergence,
    input_names,
    need_offsets,
    objects,
    part_of,
)
from axkit.tasks.prepare import Job, list_lengths, numbers, prepared
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.source.table import Column
from axkit.tasks.spec import TaskSpec

QUESTION_TOKENS = 64  # longer questions are cut (Devlin et al. 2018, run_squad)
N_BEST = 20  # starts and ends that are looked at


@dataclass(frozen=True)
class Window:
    """What a window needs to become an answer.

    Attributes:
        row: the question.
        context: its context, whole.
        spans: per token (first character, one past the last) in the context; None outside of it.
        null: the token that stands for "no answer".
    """

    row: int
    context: str
    spans: list[tuple[int, int] | None]
    null: int


class QuestionAnswering(TaskKind):
    """Start and end of an answer. An example is a window, a row a question."""

    name = "question_answering"
    names_outputs = False
    takes = (2,)
    metrics: ClassVar = {"f1": squad.f1, "exact_match": squad.exact_match}

    def encode(self, rows: SplitRows, job: Job) -> Encoded:
        """Windows of ``job.limit`` tokens that share ``spec.stride`` tokens of context."""
        need_offsets(job.reader, self.name)
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

    def logits(self, output: Any) -> Tensor:
        """(batch, tokens, 2): start and end."""
        return torch.stack([output.start_logits, output.end_logits], -1)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of the start plus that of the end, over real tokens."""
        masked = logits.float().masked_fill(labels < 0, float("-inf"))
        return torch.where(labels == 1, -masked.log_softmax(1), 0.0).sum((1, 2))

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence of the start plus that of the end, over real tokens."""
        ours, theirs = (
            part.float().masked_fill(labels < 0, float("-inf")).transpose(1, 2) for part in (logits, wanted)
        )
        return divergence(ours, theirs, temperature).sum(1)

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The logits of each window's real tokens, (tokens, 2)."""
        real = (labels[..., 0] >= 0).sum(1).tolist()
        return [window[:length].float().numpy() for window, length in zip(logits, real, strict=True)]

    def gather(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """The best answer of each question over its windows; the empty text for "no answer" (as run_squad does)."""
        best = [(-np.inf, "")] * len(encoded.golds)
        null = np.full(len(encoded.golds), np.inf)
        for logits, window in zip(found, encoded.notes, strict=True):
            null[window.row] = min(null[window.row], float(logits[window.null].sum()))
            score, where = _best_span(logits, window, spec.max_answer_tokens)
            text = _text_of(window, where)[0] if where else ""
            best[window.row] = max(best[window.row], (score, text))
        threshold = spec.no_answer_threshold
        return objects(
            [
                "" if threshold is not None and null[row] - score > threshold else text
                for row, (score, text) in enumerate(best)
            ]
        )

    def first(self, encoded: Encoded, examples: int) -> Encoded:
        """Windows of whole questions: the last one's are all there, so it may be some more than asked for."""
        row = encoded.notes[examples - 1].row
        while examples < len(encoded.lengths) and encoded.notes[examples].row == row:
            examples += 1
        return part_of(encoded, examples, row + 1)

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """A question without an answer."""
        return SplitRows([texts], objects([()]))

    def heard(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The logits of each window's real tokens, (tokens, 2)."""
        return self.predictions(logits, labels)

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """The answer that :meth:`gather` gives, where it starts, and its probability in its window; "" for none."""
        spans = [(_best_span(logits, w, spec.max_answer_tokens), i) for i, (logits, w) in _numbered(heard, encoded)]
        (score, where), number = max(spans, key=lambda one: one[0][0])
        null, silent = min((float(logits[w.null].sum()), i) for i, (logits, w) in _numbered(heard, encoded))
        threshold = spec.no_answer_threshold
        if where is None or (threshold is not None and null - score > threshold):
            place = encoded.notes[silent].null
            return {"answer": "", "start": None, "score": _share(heard[silent], place, place)}
        window = encoded.notes[number]
        text, start = _text_of(window, where)
        return {"answer": text, "start": start, "score": _share(heard[number], *where)}

    def was_cut(self, texts: tuple[str, ...], reader: Any, limit: int, encoded: Encoded) -> bool:
        """Never: contexts are read in windows, and no question is as long as what is cut of one."""
        return False

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """Two: start and end."""
        return 2

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """No answer, ever: all that can be said without reading."""
        return objects([""] * len(golds))

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """No answer, and the text that is an answer most often."""
        often = Counter(text for answers in golds for text in answers).most_common(1)
        texts = ["", *(text for text, _ in often)]
        return [Constant(_in_words(text), objects([text] * len(golds))) for text in texts]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one text."""
        one = len(predictions) > 1 and len(set(predictions)) == 1
        return _in_words(predictions[0]) if one else ""


def _in_words(text: str) -> str:
    return f"'{text:.40}'" if text else "no answer"


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


def _best_span(logits: Any, window: Window, longest: int) -> tuple[float, tuple[int, int] | None]:
    """Score, and first and last token, of the best span within the context; (-inf, None) where there is none."""
    inside = [i for i, span in enumerate(window.spans) if span]
    best, where = -np.inf, None
    starts, ends = (sorted(inside, key=lambda i: -logits[i, side])[:N_BEST] for side in (0, 1))
    for start in starts:
        for end in ends:
            score = float(logits[start, 0] + logits[end, 1])
            if start <= end < start + longest and score > best:
                best, where = score, (start, end)
    return best, where


def _text_of(window: Window, where: tuple[int, int]) -> tuple[str, int]:
    """The text from one token to another, without space around it, and its first character."""
    first, last = window.spans[where[0]], window.spans[where[1]]
    assert first is not None
    assert last is not None
    text = window.context[first[0] : last[1]]
    return text.strip(), first[0] + len(text) - len(text.lstrip())


def _numbered(heard: Sequence[Any], encoded: Encoded) -> list[tuple[int, tuple[Any, Window]]]:
    return list(enumerate(zip(heard, encoded.notes, strict=True)))


def _share(logits: Any, start: int, end: int) -> float:
    """Probability of a start times that of an end, of (tokens, 2) logits."""
    shares = np.exp(logits - logits.max(0))
    shares /= shares.sum(0)
    return float(shares[start, 0] * shares[end, 1])

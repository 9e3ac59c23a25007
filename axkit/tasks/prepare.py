"""Rows to examples by ``datasets``' map: batch by batch, rows on disk to a cached Arrow file, others in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from axkit.tasks.source.readers import quiet_datasets
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.source.table import BATCH, Texts
from axkit.tasks.spec import TaskSpec

VERSION = 2  # of what the kinds of task make of rows; counts into the fingerprint


@dataclass(frozen=True)
class Job:
    """What rows are prepared for.

    Attributes:
        spec: of the task.
        reader: the model's tokenizer, or its image reader.
        limit: tokens, at most.
        label_names: of classes 0, 1, ...
    """

    spec: TaskSpec
    reader: Any
    limit: int
    label_names: tuple[str, ...] = ()


Make = Callable[[list[tuple[Any, ...]], Sequence[Any], int, Job], dict[str, list[Any]]]


def prepared(rows: SplitRows, make: Make, columns: Mapping[str, str], job: Job) -> Any:
    """A ``datasets.Dataset`` of examples.

    Args:
        rows: of a split. What is made of rows on disk is written beside their own Arrow files, under a fingerprint of
            rows, settings and reader, and found there the next time; nothing else is written.
        make: (texts, labels, number of the first row, job) of some rows -> column -> one value for each example.
        columns: column -> Arrow type of a number, of which each value is a list; "=int32" is a single number.
        job: settings.
    """
    import datasets

    on_disk = isinstance(rows.texts, Texts)
    if isinstance(rows.texts, Texts):
        data, to_texts = rows.texts.data.select(rows.texts.order), rows.texts.of
    else:
        data, to_texts = datasets.Dataset.from_dict({"row": range(len(rows))}), None

    def some(batch: dict[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
        first, last = indices[0], indices[-1] + 1
        texts = to_texts(batch) if to_texts else list(rows.texts[first:last])
        return make(texts, rows.labels[first:last], first, job)

    with quiet_datasets():
        return data.map(
            some,
            with_indices=True,
            batched=True,
            batch_size=BATCH,
            remove_columns=data.column_names,
            features=datasets.Features({name: _feature(kind) for name, kind in columns.items()}),
            new_fingerprint=_fingerprint(rows, columns, job) if on_disk and rows.digest else uuid4().hex,
        )


def _feature(kind: str) -> Any:
    import datasets

    return datasets.Value(kind[1:]) if kind.startswith("=") else datasets.List(datasets.Value(kind))


def _fingerprint(rows: SplitRows, columns: Mapping[str, str], job: Job) -> str:
    from tokenizers import __version__ as tokenizers
    from transformers import __version__ as transformers

    settings = job.spec.model_dump(exclude={"files", "hub", "hub_splits", "split", "labels"})
    versions = (VERSION, tokenizers, transformers)
    parts = [versions, settings, job.limit, job.label_names, rows.digest, dict(columns), reader_state(job.reader)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def reader_state(reader: Any) -> Any:
    """All that decides what a reader makes of a row, as JSON; not how it padded and truncated the last time."""
    if hasattr(reader, "to_json"):
        return reader.to_json()
    if getattr(reader, "is_fast", False):
        state = json.loads(reader.backend_tokenizer.to_str())
        state["truncation"] = state["padding"] = None
    else:
        state = sorted(reader.get_vocab().items())
    text = json.dumps([type(reader).__name__, reader.model_input_names, reader.truncation_side, state])
    return hashlib.sha256(text.encode()).hexdigest()


def list_lengths(data: Any, column: str) -> Any:
    """How many numbers each example's list has, int64; only the offsets are read."""
    import pyarrow.compute as pc

    lengths = [pc.list_value_length(chunk).to_numpy(zero_copy_only=False) for chunk in data.data.column(column).chunks]
    return np.concatenate([*lengths, np.zeros(0)]).astype(np.int64)


def numbers(data: Any, column: str) -> Any:
    """A column of single numbers as one array."""
    return np.concatenate([*(c.to_numpy(zero_copy_only=False) for c in data.data.column(column).chunks), np.zeros(0)])

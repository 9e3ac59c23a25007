"""Rows of a task: read, checked, split by a hash of the row. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axkit.errors import DataError
from axkit.recipe import Samples
from axkit.tasks import checks
from axkit.tasks.readers import read_split, splits_of
from axkit.tasks.spec import SPLITS, Row, SplitName, Task

SEARCH_SHARE = 0.15  # of train, where a task has no search split (arXiv 2010.03688, section 5)


@dataclass(frozen=True)
class SplitRows:
    """One split, ready to be tokenized.

    Attributes:
        texts: a tuple of strings per row: one or two texts, the words, or question and context.
        labels: per row; int64 classes, float64 scores, int64 (rows, labels) of 0 and 1, or an object array of tuples:
            tags, or (first character, text) of each answer.
        label_names: of classes 0, 1, ...
        parts: name of the file or hub split that each row came from; empty where there is one.
    """

    texts: list[tuple[str, ...]]
    labels: Any
    label_names: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TaskRows:
    """All splits of a task.

    Attributes:
        splits: train, search, test.
        label_names: of classes 0, 1, ...; empty for regression and question answering.
        overlap: rows of test whose text also stands in train or search.
        fingerprint: hash of every text and label that is used.
    """

    splits: Mapping[SplitName, SplitRows]
    label_names: tuple[str, ...]
    overlap: int
    fingerprint: str


def load_rows(task: Task, samples: Samples) -> TaskRows:
    """Read, check and split the rows of a task.

    Raises:
        DataError: a file that cannot be read, a missing column, a bad label, an empty split.
    """
    raw: dict[SplitName, list[Row]] = {}
    parts: dict[SplitName, list[str]] = {}
    if task.rows is not None:
        raw = dict(task.rows())
    else:
        for name in splits_of(task.spec):
            raw[name], parts[name] = read_split(task.spec, name)
    for name, rows in raw.items():
        checks.check_columns(task, name, rows)
    names = checks.label_names(task, raw["train"])
    splits: dict[SplitName, SplitRows] = {}
    for name in (found for found in SPLITS if found in raw):
        texts, labels = checks.check_rows(task, name, raw[name], names)
        if name == "train":
            checks.check_variety(task, labels)
        splits[name] = SplitRows(texts, labels, names, tuple(parts.get(name, ())))
    if "search" not in splits:
        splits["train"], splits["search"] = _hold_out(task, splits["train"])
    wanted = samples.model_dump()
    splits = {name: _sample(splits[name], wanted[name]) for name in SPLITS}
    seen = {text for name in ("train", "search") for text in splits[name].texts}
    overlap = sum(text in seen for text in splits["test"].texts)
    return TaskRows(splits, names, overlap, _fingerprint(splits))


def row_hash(text: Sequence[str], purpose: str) -> float:
    """A number in [0, 1) that depends on the text and the purpose alone."""
    digest = hashlib.sha256("\x1f".join((purpose, *text)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_by_hash(rows: Sequence[Row], column: str, shares: Mapping[SplitName, float]) -> dict[SplitName, list[Row]]:
    """Distribute rows over splits; a row's split never changes when others come or go, and doubles stay together.

    Args:
        rows: of all splits.
        column: the text that is hashed.
        shares: split -> share, 0..1; what is left is train.
    """
    out: dict[SplitName, list[Row]] = {"train": [], **{name: [] for name in shares}}
    for row in rows:
        draw, bound = row_hash((row[column],), "split"), 0.0
        for name, share in shares.items():
            bound += share
            if draw < bound:
                out[name].append(row)
                break
        else:
            out["train"].append(row)
    return out


def _pick(split: SplitRows, keep: Sequence[int]) -> SplitRows:
    parts = tuple(split.parts[i] for i in keep) if split.parts else ()
    return SplitRows([split.texts[i] for i in keep], split.labels[list(keep)], split.label_names, parts)


def _hold_out(task: Task, train: SplitRows) -> tuple[SplitRows, SplitRows]:
    """Hold SEARCH_SHARE of train out, in each class alike: each row's own hash decides, so that no row ever moves.

    Questions on one context stay together: a model that has seen the context has seen the answers. A class that
    chance leaves out of either side gives its nearest rows, where it has two or more.
    """
    hashed = [text[1:] if task.spec.kind == "question_answering" else text for text in train.texts]
    draws = [row_hash(text, "split") for text in hashed]
    held = [draw < SEARCH_SHARE for draw in draws]
    strata = train.labels if task.spec.kind == "classification" else np.zeros(len(train))
    for stratum in np.unique(strata):
        rows = [i for i in range(len(train)) if strata[i] == stratum]
        bounds = min(draws[i] for i in rows), max(draws[i] for i in rows)
        for side, bound in ((True, bounds[0]), (False, bounds[1])):
            if bounds[0] < bounds[1] and all(held[i] != side for i in rows):
                for i in rows:  # doubles have the same draw, and go together
                    held[i] = side if draws[i] == bound else held[i]
    if all(held) or not any(held):
        raise DataError(f"task '{task.name}': train has too few rows to hold a search split out; give a search split")
    return (
        _pick(train, [i for i, h in enumerate(held) if not h]),
        _pick(train, [i for i, h in enumerate(held) if h]),
    )


def _sample(split: SplitRows, size: int | None) -> SplitRows:
    """All rows shuffled by hash, or the first ``size`` of them: sources come sorted by class."""
    order = sorted(range(len(split)), key=lambda i: row_hash(split.texts[i], "sample"))
    return _pick(split, order[:size])


def _fingerprint(splits: Mapping[SplitName, SplitRows]) -> str:
    digest = hashlib.sha256()
    for name in SPLITS:
        for text, label in zip(splits[name].texts, splits[name].labels.tolist(), strict=True):
            digest.update(repr((name, text, label)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()

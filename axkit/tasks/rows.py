"""Rows of a task: read, checked, split by a hash of the row. Imports no torch."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from axkit.errors import DataError
from axkit.recipe import Samples
from axkit.tasks.spec import SPLITS, Row, SplitName, Task, TaskSpec

SEARCH_SHARE = 0.15  # of train, where a task has no search split (arXiv 2010.03688, section 5)
_READERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class SplitRows:
    """One split, ready to be tokenized.

    Attributes:
        texts: one tuple of one or two strings per row.
        labels: int64 class indices, or float64 scores; shape (rows,).
    """

    texts: list[tuple[str, ...]]
    labels: Any

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TaskRows:
    """All splits of a task.

    Attributes:
        splits: train, search, test.
        label_names: of classes 0, 1, ...; empty for regression.
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
    if task.rows is not None:
        raw = dict(task.rows())
    elif task.spec.files is not None:
        raw = {name: _read_file(name, path) for name, path in task.spec.files.items()}
    else:
        raw = _read_hub(task.spec)
    for split, rows in raw.items():
        _check_columns(task, split, rows)
    names = _label_names(task.spec, raw["train"])
    if task.spec.kind == "classification" and len(names) < 2:
        raise DataError(f"task '{task.name}': a classification needs two labels or more, train has {len(names)}")
    splits = {name: _check(task, name, rows, names) for name, rows in raw.items()}
    if "search" not in splits:
        splits["train"], splits["search"] = _hold_out(splits["train"])
    wanted = samples.model_dump()
    splits = {name: _sample(splits[name], wanted[name]) for name in SPLITS}
    for name in SPLITS:
        if not len(splits[name]):
            raise DataError(f"task '{task.name}': the {name} split is empty; give it rows")
    seen = {text for name in ("train", "search") for text in splits[name].texts}
    overlap = sum(text in seen for text in splits["test"].texts)
    return TaskRows(splits, names, overlap, _fingerprint(splits))


def _read_file(split: SplitName, path: str) -> list[Row]:
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{split} file {path}: axkit reads {', '.join(sorted(_READERS))}; convert it to one of them")
    if not file.is_file():
        raise DataError(f"{split} file {path} does not exist; give a path that does, seen from where axkit runs")
    if not file.stat().st_size:
        raise DataError(f"{split} file {path} is empty; give it rows")
    import datasets

    options: dict[str, Any] = {"sep": "\t"} if file.suffix.lower() == ".tsv" else {}
    try:
        with _quiet_datasets():
            rows = datasets.load_dataset(reader, data_files=str(file), split="train", **options)
    except (datasets.exceptions.DatasetGenerationError, ValueError, UnicodeDecodeError) as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise DataError(f"{split} file {path} is not valid {file.suffix[1:]} ({cause}); mend the file") from error
    return list(rows)


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """No bars, and no log of an error that we word ourselves; the caller's settings come back."""
    import datasets

    level, bars = datasets.logging.get_verbosity(), not datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(logging.CRITICAL)
    hub = logging.getLogger("huggingface_hub")  # would tell each retry
    hub_level = hub.level
    hub.setLevel(logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        hub.setLevel(hub_level)
        if bars:
            datasets.enable_progress_bars()


def _read_hub(spec: TaskSpec) -> dict[SplitName, list[Row]]:
    import datasets

    path, _, configuration = str(spec.hub).partition(":")
    wanted = spec.hub_splits or {"train": "train", "test": "test"}
    try:
        with _quiet_datasets():
            found = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"data set '{spec.hub}' cannot be had from the hub ({type(error).__name__}); check the name and the "
            f"network, or give the task 'files' of your own"
        ) from error
    for split, name in wanted.items():
        if name not in found:
            raise DataError(f"data set '{spec.hub}' has no split '{name}' for {split}; it has {', '.join(found)}")
    return {split: list(found[name]) for split, name in wanted.items()}


def _label_names(spec: TaskSpec, train: Sequence[Row]) -> tuple[str, ...]:
    if spec.kind == "regression":
        return ()
    if spec.label_names is not None:
        return tuple(spec.label_names)
    found = {row.get(spec.label) for row in train} - {None}
    numbers = [label for label in found if isinstance(label, int)]
    if len(numbers) == len(found):
        return tuple(str(index) for index in range(max(numbers, default=-1) + 1))
    return tuple(sorted(str(label) for label in found))


def _check_columns(task: Task, split: SplitName, rows: Sequence[Row]) -> None:
    if not rows:
        raise DataError(f"task '{task.name}': the {split} split is empty; give it rows")
    for column in (*task.spec.columns, task.spec.label):
        if column not in rows[0]:
            raise DataError(
                f"task '{task.name}', {split} split: no column '{column}'; the columns are {', '.join(rows[0])}"
            )


def _check(task: Task, split: SplitName, rows: Sequence[Row], names: tuple[str, ...]) -> SplitRows:
    spec = task.spec
    texts: list[tuple[str, ...]] = []
    labels: list[float] = []
    for number, row in enumerate(rows, 1):
        where = f"task '{task.name}', {split} split, row {number}"
        text = tuple(row[column] for column in spec.columns)
        for column, part in zip(spec.columns, text, strict=True):
            if not isinstance(part, str) or not part.strip():
                raise DataError(f"{where}: '{column}' holds no text ({part!r}); fill it or drop the row")
        texts.append(text)
        labels.append(_label(spec, row[spec.label], names, where))
    return SplitRows(texts, np.array(labels, dtype=np.int64 if spec.kind == "classification" else np.float64))


def _label(spec: TaskSpec, value: Any, names: tuple[str, ...], where: str) -> float:
    if spec.kind == "regression":
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise DataError(f"{where}: score '{spec.label}' is {value!r}; it must be a finite number")
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(names):
            return value
        raise DataError(f"{where}: label {value} is outside 0..{len(names) - 1} ({len(names)} labels in train)")
    if str(value) in names and value is not None:
        return names.index(str(value))
    raise DataError(f"{where}: label {value!r} is none of {', '.join(names)}; mend the row or 'label_names'")


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
    return SplitRows([split.texts[i] for i in keep], split.labels[list(keep)])


def _hold_out(train: SplitRows) -> tuple[SplitRows, SplitRows]:
    """Each row's own hash decides, so that classes are held out alike and no row ever moves."""
    held = [row_hash(text, "split") < SEARCH_SHARE for text in train.texts]
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

"""Rows of a task: read, checked, split by a hash of the row; on disk they stay there. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.kind import owned
from axkit.tasks.labels import checks
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.meaning import decided
from axkit.tasks.samples import Samples
from axkit.tasks.source.held_out import held_out
from axkit.tasks.source.readers import read_split, splits_of
from axkit.tasks.source.split_rows import SplitRows as SplitRows
from axkit.tasks.source.table import Texts
from axkit.tasks.spec import SPLITS, Row, SplitName, Task

SEARCH_SHARE = 0.15  # of train, where a task has no search split (arXiv 2010.03688, section 5)
SEARCH_MOST = 8192  # rows held out, where nobody asks for more: a search chooses on half, confirms on half


@dataclass(frozen=True)
class TaskRows:
    """All splits of a task.

    Attributes:
        splits: train, search, test.
        label_names: of classes 0, 1, ...; empty for regression and question answering.
        overlap: rows of test whose text also stands in train or search.
        fingerprint: hash of every text and label that is used.
        naming: where the names and their order come from, in words.
        overlaps: (one split, another) -> rows of the other whose text also stands in the one; where there are any.
    """

    splits: Mapping[SplitName, SplitRows]
    label_names: tuple[str, ...]
    overlap: int
    fingerprint: str
    overlaps: Mapping[tuple[SplitName, SplitName], int] = field(default_factory=dict)
    naming: str = ""


@dataclass(frozen=True)
class _Checked:
    """Rows with their hashes (see ``checks.Checked``)."""

    rows: SplitRows
    keys: Any
    draws: Any

    def pick(self, keep: Any) -> _Checked:
        """These rows (an integer array), in this order."""
        old = self.rows
        texts = old.texts.pick(keep) if isinstance(old.texts, Texts) else [old.texts[i] for i in keep.tolist()]
        parts = [old.parts[i] for i in keep.tolist()] if old.parts else ()
        rows = replace(old, texts=texts, labels=old.labels[keep], parts=parts)
        return _Checked(rows, self.keys[keep], self.draws[keep])


def load_rows(task: Task, samples: Samples, head: Head | None = None) -> TaskRows:
    """Read, check and split the rows of a task.

    Args:
        task: where its rows come from, and what they mean.
        samples: how many of each split.
        head: of the model that is to read them; its labels are theirs.

    Raises:
        DataError: a file that cannot be read, a missing column, a bad label, an empty split.
    """
    with owned(task.spec.kind):
        return _loaded(task, samples, head)


def _loaded(task: Task, samples: Samples, head: Head | None) -> TaskRows:
    raw: dict[SplitName, Sequence[Row]] = {}
    parts: dict[SplitName, list[str]] = {}
    if task.rows is not None:
        raw = dict(task.rows())
    else:
        for name in splits_of(task.spec):
            raw[name], parts[name] = read_split(task.spec, name)
    for name, rows in raw.items():
        checks.check_columns(task, name, rows)
    meaning = decided(task, raw["train"], head)
    naming = meaning.naming
    splits: dict[SplitName, _Checked] = {}
    for name in (found for found in SPLITS if found in raw):
        found = checks.check_rows(task, name, raw[name], meaning)
        labels = naming.relabelled(found.labels)
        if name == "train" and not task.spec.is_unlabelled:
            rows_of(task.spec.kind).check(task, labels)
        made = SplitRows(found.texts, labels, naming.names, parts.get(name, ()), naming.positive)
        splits[name] = _Checked(made, found.keys, found.draws)
    _hold_out_all(task, splits, max(SEARCH_MOST, samples.search or 0))
    wanted = samples.model_dump()
    splits = {name: _sample(splits[name], wanted[name]) for name in SPLITS}
    seen = np.concatenate([splits["train"].keys, splits["search"].keys])
    overlap = int(np.isin(splits["test"].keys, seen).sum())
    pairs = {(a, b): int(np.isin(splits[b].keys, splits[a].keys).sum()) for a, b in combinations(SPLITS, 2)}
    done = {name: _with_digest(split) for name, split in splits.items()}
    whole = hashlib.sha256("".join(done[name].digest for name in SPLITS).encode()).hexdigest()
    some = {pair: count for pair, count in pairs.items() if count}
    return TaskRows(done, naming.names, overlap, whole, some, naming.why)


def row_hash(text: Sequence[str], purpose: str) -> float:
    """A number in [0, 1) that depends on the text and the purpose alone."""
    return checks.text_key(text, purpose) / 2**64


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


def _hold_out_all(task: Task, splits: dict[SplitName, _Checked], most: int) -> None:
    """Take off train what has no rows of its own: by the shares that the task gives, else search alone.

    Args:
        task: with its shares.
        splits: that it brings; completed in place.
        most: rows of search, about, where the task does not say how many; more serve training better.
    """
    share = min(SEARCH_SHARE, most / len(splits["train"].draws))
    if task.spec.split is None:
        if "search" not in splits:
            splits["train"], splits["search"] = _hold_out(task, splits["train"], share)
        return
    shares, left = task.spec.shares, 1.0
    if "search" not in splits and "search" not in shares:
        rest = 1 - sum(shares.values())
        shares["search"] = min(SEARCH_SHARE * rest, most / len(splits["train"].draws))
    for name, share in shares.items():
        if name in splits:
            raise DataError(f"task '{task.name}' brings a {name} split; leave '{name}' out of 'split'")
        train = splits["train"]
        strata = train.rows.labels if rows_of(task.spec.kind).stratified else np.zeros(len(train.draws))
        held = held_out(train.draws, strata, share / left)
        if held.all() or not held.any():
            raise DataError(f"task '{task.name}': it has too few rows to hold a {name} split out; give it more")
        splits["train"], splits[name] = train.pick(np.flatnonzero(~held)), train.pick(np.flatnonzero(held))
        left -= share


def _hold_out(task: Task, train: _Checked, share: float) -> tuple[_Checked, _Checked]:
    """Hold a share of train out, in each class alike: each row's own hash decides, so that no row ever moves.

    A class that chance leaves out of either side gives its nearest rows, where it has two or more.
    """
    draws = train.draws
    held = draws < share
    strata = train.rows.labels if rows_of(task.spec.kind).stratified else np.zeros(len(draws))
    order = np.argsort(strata, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
        low, high = draws[rows].min(), draws[rows].max()
        for side, bound in ((True, low), (False, high)):
            if low < high and (held[rows] != side).all():
                held[rows[draws[rows] == bound]] = side  # doubles have the same draw, and go together
    if held.all() or not held.any():
        raise DataError(f"task '{task.name}': train has too few rows to hold a search split out; give a search split")
    return train.pick(np.flatnonzero(~held)), train.pick(np.flatnonzero(held))


def _sample(split: _Checked, size: int | None) -> _Checked:
    """All rows shuffled by hash, or the first ``size`` of them: sources come sorted by class."""
    return split.pick(np.argsort(split.keys / 2.0**64, kind="stable")[:size])


def _with_digest(split: _Checked) -> SplitRows:
    rows, digest = split.rows, hashlib.sha256(split.keys.tobytes())
    if rows.labels.dtype == object:
        for label in rows.labels:
            digest.update(repr(label).encode("utf-8", "surrogatepass"))
    else:
        digest.update(rows.labels.tobytes())
    return replace(rows, digest=digest.hexdigest())

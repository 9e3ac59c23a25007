"""Names that a data set itself gives to the numbers in its label column (``datasets.ClassLabel``). Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from axkit.tasks.source.table import Table
from axkit.tasks.spec import Row, TaskSpec


def class_names(spec: TaskSpec, train: Sequence[Row]) -> tuple[str, ...] | None:
    """The names of numbers 0, 1, ... in a label column, of a hub data set or of Parquet files that one was saved to.

    Args:
        spec: with one label column.
        train: the rows.

    Returns:
        None where nothing names them, or not all parts alike.
    """
    (column,) = spec.label_columns
    if spec.files is not None:
        said = spec.files["train"]
        found = [_of_file(path, column) for path in ([said] if isinstance(said, str) else said)]
    else:
        parts = train.parts if isinstance(train, Table) else []
        found = [_of_feature(getattr(part, "features", {}).get(column)) for part in parts]
    return found[0] if found and all(one == found[0] for one in found) else None


def _of_feature(feature: Any) -> tuple[str, ...] | None:
    while getattr(feature, "feature", None) is not None:  # a list of them
        feature = feature.feature
    return _checked(getattr(feature, "names", None)) if type(feature).__name__ == "ClassLabel" else None


def _of_file(path: str, column: str) -> tuple[str, ...] | None:
    """What ``datasets`` noted in a Parquet file's schema; whatever does not look like it says nothing."""
    if Path(path).suffix.lower() != ".parquet":
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        noted = (pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
        feature: Any = json.loads(noted)["info"]["features"][column]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException):
        return None
    for _ in range(8):
        if isinstance(feature, list) and len(feature) == 1:  # lists as datasets wrote them before 4.0
            feature = feature[0]
        elif isinstance(feature, Mapping) and "feature" in feature:
            feature = feature["feature"]
    is_class = isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel"
    return _checked(feature.get("names")) if is_class else None


def _checked(names: Any) -> tuple[str, ...] | None:
    """Names, where each is a text and stands there once."""
    fine = isinstance(names, list | tuple) and names and all(isinstance(name, str) and name.strip() for name in names)
    return tuple(names) if fine and len(set(names)) == len(names) else None

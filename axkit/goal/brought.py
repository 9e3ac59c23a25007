"""What a caller in Python brings, a model or rows in memory, as files that a recipe can name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from axkit.ground.atomic import atomic_folder
from axkit.ground.errors import DataError, RecipeError
from axkit.ground.quiet import quiet


def model_path(model: Any, tokenizer: Any, folder: Path) -> str:
    """A model as a recipe names it: a folder, registered name or hub id as it is, one in memory saved.

    Args:
        model: a name, a path, or a transformers model.
        tokenizer: of a model in memory; its image processor where it reads images.
        folder: to save into.

    Raises:
        RecipeError: neither, or one in memory that brings no tokenizer.
    """
    if isinstance(model, str | Path):
        return str(model)
    if not hasattr(model, "save_pretrained"):
        raise RecipeError(f"model is a {type(model).__name__}; give a folder, a hub id or a transformers model")
    if tokenizer is None:
        raise RecipeError("a model in memory needs its tokenizer: compress(model, data, tokenizer=...)")
    with atomic_folder(folder) as made, quiet():
        model.save_pretrained(made, safe_serialization=True)
        tokenizer.save_pretrained(made)
    return str(folder)


def data_path(data: Any, file: Path) -> str:
    """Data as a recipe names it: a path or a task's name as it is, rows in memory written as JSONL.

    Args:
        data: a path, a ``datasets.Dataset``, a pandas frame, or rows (mappings).
        file: to write into.

    Raises:
        DataError: none of these, no rows, or cells that are no JSON.
    """
    if isinstance(data, str | Path):
        return str(data)
    rows = _rows(data)
    if not rows:
        raise DataError("data has no rows; give some")
    try:
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain) + "\n" for row in rows)
    except (TypeError, ValueError) as error:
        raise DataError(f"data has a cell that is no text, number or list of these ({error}); convert it") from None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return str(file)


def _rows(data: Any) -> list[dict[str, Any]]:
    if hasattr(data, "to_dict") and hasattr(data, "columns"):  # a pandas frame
        found: list[dict[str, Any]] = data.to_dict("records")
        return found
    if isinstance(data, Mapping) and not hasattr(data, "features"):
        raise DataError(
            f"data is a mapping of {', '.join(map(str, list(data)[:5]))}; give one data set, of which rows are held out"
        )
    if not isinstance(data, Iterable):
        raise DataError(f"data is a {type(data).__name__}; give a file, a datasets.Dataset or rows")
    rows = list(data)
    if not all(isinstance(row, Mapping) for row in rows):
        raise DataError("data has rows that are no mappings of column to cell; give such")
    return [_named(row, getattr(data, "features", {})) for row in rows]


def _named(row: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """With the names of classes, where a data set has numbers for them."""
    told = {name: kind for name, kind in features.items() if hasattr(kind, "int2str")}
    return {
        name: told[name].int2str(value) if name in told and value is not None else value for name, value in row.items()
    }


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(type(value).__name__)

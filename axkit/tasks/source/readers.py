"""Files, folders of images and hub data sets to raw rows. Imports no torch."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axkit.ground.errors import DataError
from axkit.tasks.image_reader import SUFFIXES
from axkit.tasks.source.conll import read_conll
from axkit.tasks.source.delimited import read_delimited
from axkit.tasks.source.json_rows import read_json
from axkit.tasks.source.origin import Source
from axkit.tasks.source.parquet import read_parquet
from axkit.tasks.source.store import stored
from axkit.tasks.source.table import Table
from axkit.tasks.spec import Row, SplitName, TaskSpec

_READERS: dict[str, Callable[[Source], Iterator[Row]]] = {
    ".jsonl": read_json,
    ".json": read_json,
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".parquet": read_parquet,
    **dict.fromkeys((".conll", ".iob", ".bio", ".iob2"), read_conll),
}
READS = sorted(_READERS)


def read_split(spec: TaskSpec, split: SplitName) -> tuple[Sequence[Row], list[str]]:
    """The rows of a split, and the part (file or hub split) that each came from; parts are empty where there is one.

    Raises:
        DataError: a file or data set that cannot be had, or is not what its name says.
    """
    if spec.files is not None:
        sources = _listed(spec.files[split])
        read = [_read(split, path, spec) for path in sources]
        names = [Path(path).stem for path in sources]
    else:
        sources = _listed((spec.hub_splits or {"train": "train", "test": "test"})[split])
        read = [_undecoded(_read_hub(str(spec.hub), split, name)) for name in sources]
        names = sources
    if len(read) == 1:
        return Table(read), []
    return Table(read, names), [name for name, part in zip(names, read, strict=True) for _ in range(len(part))]


def _read(split: SplitName, path: str, spec: TaskSpec) -> Any:
    return read_images(split, path, spec) if spec.image else read_file(split, path, spec)


def splits_of(spec: TaskSpec) -> list[SplitName]:
    """The splits that a spec names."""
    named = spec.files or spec.hub_splits
    return list(named) if named else ["train"] if "test" in spec.shares else ["train", "test"]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def read_images(split: SplitName, path: str, spec: TaskSpec) -> Any:
    """Rows of images: of a folder with a folder for each label, or of a file whose paths start at its own folder.

    Where rows have no labels, all images that a folder holds.

    Raises:
        DataError: no such place, no image in it, or one that stands beside the folders.
    """
    top = Path(path)
    if not top.is_dir():
        return read_file(split, path, spec)
    if spec.is_unlabelled:
        return [{"image": str(file)} for file in sorted(top.rglob("*")) if file.suffix.lower() in SUFFIXES]
    astray = sorted(file.name for file in top.iterdir() if file.suffix.lower() in SUFFIXES)
    if astray:
        raise DataError(f"{split} folder {path}: {astray[0]} stands in no folder of a label; move it into one")
    return [
        {"image": str(file), "label": folder.name}
        for folder in sorted(top.iterdir())
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]


def _undecoded(rows: Any) -> Any:
    """A data set whose images stay bytes or paths: they are decoded by us, once."""
    import datasets

    for name, kind in getattr(rows, "features", {}).items():
        if isinstance(kind, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
    return rows


def _anchored(rows: Iterable[Row], column: str, folder: Path) -> Iterator[Row]:
    """Relative paths in a column, seen from a folder; whatever is no path is left to the checks."""
    for row in rows:
        value = row[column]
        yield {**row, column: str(folder / value)} if isinstance(value, str) and value else row


def read_file(split: SplitName, path: str, spec: TaskSpec) -> Any:
    """The columns of one file that the task reads: a ``datasets.Dataset`` in Arrow (see ``files.store``).

    Raises:
        DataError: no such file, an empty one, one that is not UTF-8 or not of its form, or lacks a column.
        StorageError: there is no room for the rows.
    """
    source = Source(split, Path(path), spec)
    if source.suffix not in _READERS:
        raise source.fault(f"axkit reads {', '.join(READS)}; convert it to one of them")
    try:
        status = source.path.stat()
    except (OSError, ValueError):
        raise DataError(
            f"{split} file {path} does not exist; give a path that does, seen from where axkit runs"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{split} file {path} is a folder, or another thing that is no file; give a file")
    if not status.st_size:
        raise DataError(f"{split} file {path} is empty; give it rows")
    rows = _READERS[source.suffix](source)
    return stored(source, _anchored(rows, spec.image, source.path.parent) if spec.image else rows)


@contextmanager
def quiet_datasets() -> Iterator[None]:
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


def _read_hub(hub: str, split: SplitName, name: str) -> Any:
    import datasets

    path, _, configuration = hub.partition(":")
    try:
        with quiet_datasets():
            found = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"data set '{hub}' cannot be had from the hub ({type(error).__name__}); check the name and the "
            f"network, or give the task 'files' of your own"
        ) from error
    if name not in found:
        raise DataError(f"data set '{hub}' has no split '{name}' for {split}; it has {', '.join(found)}")
    return found[name]

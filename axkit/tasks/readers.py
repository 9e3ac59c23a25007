"""Files and hub data sets to raw rows: JSONL, CSV, TSV, Parquet, SQuAD's JSON, CoNLL. Imports no torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axkit.errors import DataError
from axkit.tasks.images import SUFFIXES
from axkit.tasks.spec import Row, SplitName, TaskSpec
from axkit.tasks.table import Table

_BY_DATASETS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_CONLL = (".conll", ".iob", ".bio", ".iob2")
READS = sorted((*_BY_DATASETS, *_CONLL))


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
    return Table(read), [name for name, part in zip(names, read, strict=True) for _ in range(len(part))]


def _read(split: SplitName, path: str, spec: TaskSpec) -> Any:
    return read_images(split, path, spec) if spec.image else read_file(split, path, spec.header)


def splits_of(spec: TaskSpec) -> list[SplitName]:
    """The splits that a spec names."""
    named = spec.files or spec.hub_splits
    return list(named) if named else ["train", "test"]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def read_images(split: SplitName, path: str, spec: TaskSpec) -> Any:
    """Rows of images: of a folder with a folder for each label, or of a file whose paths start at its own folder.

    Raises:
        DataError: no such place, no image in it, or one that stands beside the folders.
    """
    top = Path(path)
    if not top.is_dir():
        return _anchored(_undecoded(read_file(split, path, spec.header)), str(spec.image), top.parent)
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


def _anchored(rows: Any, column: str, folder: Path) -> Any:
    """Relative paths in a column, seen from a folder; whatever is no path is left to the checks."""

    def anchor(values: list[Any]) -> dict[str, list[Any]]:
        return {column: [str(folder / value) if isinstance(value, str) and value else value for value in values]}

    if isinstance(rows, list) or column not in rows.column_names or rows.features[column].dtype != "string":
        return rows
    with quiet_datasets():
        return rows.map(anchor, input_columns=[column], batched=True)


def read_file(split: SplitName, path: str, header: Sequence[str] | None = None) -> Any:
    """Rows of one file, by its suffix: a ``datasets.Dataset`` in Arrow files, or a list for CoNLL and SQuAD's JSON.

    Args:
        split: for messages.
        path: of the file.
        header: names of a CoNLL file's columns; without it ``words``, the column's number, and ``tags`` for the last.

    Raises:
        DataError: no such file, an empty one, one that is not UTF-8 or not of its form.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in READS:
        raise DataError(f"{split} file {path}: axkit reads {', '.join(READS)}; convert it to one of them")
    if not file.is_file():
        raise DataError(f"{split} file {path} does not exist; give a path that does, seen from where axkit runs")
    if not file.stat().st_size:
        raise DataError(f"{split} file {path} is empty; give it rows")
    if suffix != ".parquet":
        _check_utf8(split, file)
    if suffix in _CONLL:
        return _read_conll(split, file, header)
    if suffix == ".json":
        squad = _squad_rows(split, file)
        if squad is not None:
            return squad
    return _read_by_datasets(split, file, _BY_DATASETS[suffix])


def _check_utf8(split: SplitName, file: Path) -> None:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{split} file {file}, line {number}: byte {line[error.start]:#04x} is not UTF-8; "
                    f"save the file as UTF-8"
                ) from None


def _read_by_datasets(split: SplitName, file: Path, reader: str) -> Any:
    import datasets

    options: dict[str, Any] = {}
    if reader == "csv":  # "NA" and "null" are words; only an empty field is missing
        options = {"sep": "\t" if file.suffix.lower() == ".tsv" else ",", "keep_default_na": False, "na_values": [""]}
    try:
        with quiet_datasets():
            return datasets.load_dataset(reader, data_files=str(file), split="train", **options)
    except (datasets.exceptions.DatasetGenerationError, ValueError) as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise DataError(f"{split} file {file} is not valid {file.suffix[1:]} ({cause}); mend the file") from error


def _read_conll(split: SplitName, file: Path, header: Sequence[str] | None) -> list[Row]:
    """One word a line, columns parted by white space, an empty line after each sentence (CoNLL-2003's form)."""
    rows: list[Row] = []
    sentence: list[list[str]] = []
    width = 0
    for number, line in enumerate([*file.read_text(encoding="utf-8-sig").splitlines(), ""], 1):
        fields = line.split()
        if fields and not fields[0].startswith("-DOCSTART-"):
            width = width or len(fields)
            if len(fields) != width or (header is not None and len(header) != width):
                wanted = len(header) if header is not None else width
                raise DataError(
                    f"{split} file {file}, line {number}: {len(fields)} columns where {wanted} are wanted; "
                    f"mend the line or the task's 'header'"
                )
            sentence.append(fields)
        elif sentence:
            names = header or ["words", *(str(i) for i in range(1, width - 1)), "tags"][:width]
            rows.append({name: [word[i] for word in sentence] for i, name in enumerate(names)})
            sentence = []
    return rows


def _squad_rows(split: SplitName, file: Path) -> list[Row] | None:
    """SQuAD's nesting as flat rows of id, question, context, answers; None for other JSON (Rajpurkar et al. 2016)."""
    try:
        whole = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        return None  # JSON lines, perhaps: the other reader says what is wrong
    if not isinstance(whole, dict) or not isinstance(whole.get("data"), list):
        return None
    try:
        return [
            {
                "id": question["id"],
                "question": question["question"],
                "context": paragraph["context"],
                "answers": {
                    "text": [answer["text"] for answer in question.get("answers", [])],
                    "answer_start": [answer["answer_start"] for answer in question.get("answers", [])],
                },
            }
            for article in whole["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(f"{split} file {file} is not SQuAD's JSON ({error!r} is missing); mend the file") from error


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

"""Files for tests: written, read, and what plan would show of them."""

from __future__ import annotations

from axkit.tasks.samples import Samples
from axkit.tasks.source.readers import read_file
from axkit.tasks.source.rows import load_rows
from axkit.tasks.source.table import Table
from axkit.tasks.spec import Task, TaskSpec

SPEC = {"kind": "classification", "text": "text", "label": "label"}


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(path, **fields):
    """The rows of a file as tuples of its columns, before anybody says what they mean."""
    return [tuple(row.values()) for row in Table([read_file("train", str(path), TaskSpec(**(SPEC | fields)))])]


def loaded(path, test=None, **fields):
    """The rows of a task whose train and test are a file."""
    files = {"train": str(path), "test": str(test or path)}
    return load_rows(Task("t", TaskSpec(**(SPEC | {"files": files} | fields))), Samples())


def by_text(rows, split="test"):
    """Text -> label by name."""
    part = rows.splits[split]
    return {text[0]: part.label_names[label] for text, label in zip(part.texts, part.labels, strict=True)}

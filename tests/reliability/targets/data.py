"""Files of rows of every form, for every kind of task: damaged as bytes, lines, trees and typed columns."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from reliability.spoil_cells import spoil_cells
from reliability.spoil_rows import spoil_bytes, spoil_text
from reliability.tables import Good, good_inputs, write

NAME, COUNT = "data", 3000


def prepare(folder: Path) -> list[Good]:
    """Good inputs of every kind and form; they are read once, so that a case finds a fault of its own."""
    from conftest import write_images

    write_images(folder / "gallery", 12)
    goods = good_inputs(sorted((folder / "gallery").rglob("*.png")))
    for index, good in enumerate(goods):
        place = folder / "good" / str(index)
        place.mkdir(parents=True)
        write(good, place, good.rows)
        use(place)
    return goods


def use(folder: Path) -> None:
    """What ``axkit plan`` reads and shows; and the rows of test as a model is given them."""
    from axkit.tasks.kinds.known import KINDS
    from axkit.tasks.labels.shown import shown_labels, shown_rows
    from axkit.tasks.samples import Samples
    from axkit.tasks.source.rows import load_rows
    from axkit.tasks.spec import resolve
    from axkit.tasks.split import Split
    from axkit.testing import tiny_tokenizer

    task = resolve(json.loads((folder / "task.json").read_text()), lambda at: f"task.json, {'.'.join(map(str, at))}")
    rows = load_rows(task, Samples())
    shown = [*shown_rows(task.spec, rows), *shown_labels(task.spec, rows).values()]
    assert all("\n" not in line and len(line) < 2000 for line in shown)
    if task.spec.image is None:
        split = Split(rows.splits["train"], task.spec, KINDS[task.spec.kind], tiny_tokenizer(), 60)
        split.batch(range(min(4, len(split))))


def mutate(rng: random.Random, base: Any, folder: Path) -> str:
    """train and test of a good input, of which train, or test, or the task is damaged."""
    good: Good = rng.choice(base)
    way = rng.choices((spoil_cells, spoil_bytes, spoil_text, _settings), (5, 3, 5, 2))[0]
    return f"{good.name}: {way(rng, good, folder)}"


def _settings(rng: random.Random, good: Good, folder: Path) -> str:
    path = write(good, folder, good.rows)
    spec = json.loads((folder / "task.json").read_text())
    name, values = rng.choice(
        (
            ("sep", (",", "\t", ";", " ", "a", "", "ab", "\\t", "é", "\n", '"', 5)),
            ("quoting", ("none", "minimal", "all", None, 0)),
            (
                "header",
                (True, False, [], ["text", "label"], ["a", "a"], list(spec)[:4], ["id", "text", "label", "note"], "x"),
            ),
            ("label_sep", ("|", "", " ", ",", None)),
            (
                "label_names",
                ([], ["a"], ["neg", "pos"], ["a", "A"], ["", "b"], ["0", "1", "2"], ["1.0", "2"], ["O"], ["x"] * 2),
            ),
            ("text", ("label", "nothing", ["text", "text"], ["text", "label"], "id", "words", "tags", "")),
            ("label", ("text", "nothing", ["label", "id"], "note", "id", "words", "")),
            ("id", ("label", "note", "nothing", "text", None)),
            ("kind", ("classification", "regression", "multi_label", "token_classification", "question_answering")),
            ("metric", ("accuracy", "f1", "entity_f1", "token_accuracy", "pearson", ["f1_micro", "exact"])),
            ("max_length", (8, 16, 0, 10**9)),
            ("files", ({"train": [str(path)] * 2, "test": str(path)}, {"train": str(folder), "test": str(path)}, {})),
        )
    )
    spec[name] = rng.choice(values)
    (folder / "task.json").write_text(json.dumps(spec))
    return f"{name}: {ascii(spec[name])[:60]}"

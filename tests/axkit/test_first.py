"""A part of a split answers as the whole does, row by row, for every kind of task."""

from __future__ import annotations

import random

import numpy as np
import pytest

from axkit.anatomy.family import family_of
from axkit.tasks.kinds.kind import our_kinds
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import Task, TaskSpec
from axkit.tasks.split import Split
from axkit.testing import tiny_model, tiny_split, tiny_tokenizer

WORDS = "the film play story dull bright is was very and so good bad".split()
FIELDS = {
    "classification": {"text": "text", "label": "label"},
    "regression": {"text": "text", "label": "score"},
    "multi_label": {"text": "text", "label": "several"},
    "token_classification": {"text": "words", "label": "tags"},
    "question_answering": {"text": ["question", "text"], "label": "answers", "max_length": 24, "stride": 4},
}


def rows_of(count=60):
    draw, made = random.Random(1), []
    for index in range(count):
        words = draw.choices(WORDS, k=draw.randint(3, 40))
        answer = draw.choice(words)
        made.append(
            {
                "text": " ".join(words),
                "label": "yes" if index % 3 else "no",
                "score": index / 7,
                "several": [word for word in ("good", "bad") if word in words],
                "words": words,
                "tags": ["B-GOOD" if word == "good" else "O" for word in words],
                "question": "was it good",
                "answers": {"text": [answer], "answer_start": [" ".join(words).index(answer)]},
            }
        )
    return made


def split_of(kind):
    if kind == "image_classification":
        return tiny_split(60, 1, family=family_of("vit"))
    rows = rows_of()
    spec = TaskSpec(kind=kind, **FIELDS[kind])
    loaded = load_rows(Task("t", spec, lambda: {"train": rows, "search": rows[:2], "test": rows}), Samples())
    return Split(loaded.splits["test"], spec, KINDS[kind], tiny_tokenizer(), 60)


def model_of(kind):
    name = "vit" if kind == "image_classification" else "bert"
    return tiny_model(family_of(name), 3, KINDS[kind].about.head, num_labels=1 if kind == "regression" else 2)


def test_no_kind_is_left_out():
    assert {*FIELDS, "image_classification"} == set(our_kinds())


@pytest.mark.parametrize("kind", our_kinds())
def test_the_first_rows_are_those_of_the_whole(kind):
    split, count = split_of(kind), 17
    split.parts = np.array(["a", "b", "b"] * (len(split.golds) // 3), dtype=object)
    model = model_of(kind)
    whole, part = split.evaluate(model, size=1), split.first(count)  # alone a row's sums are the same in both
    rows = len(part.golds)
    assert rows < len(split.golds)
    assert count <= len(part) == len(part.lengths) == len(part.labels) == len(part.encoded.lengths)
    if kind == "question_answering":
        assert len(part) > rows, "some contexts take several windows, or this proves nothing of them"
        windows = [note.row for note in split.encoded.notes]
        assert windows[len(part) - 1] != windows[len(part)], "all of the last question's windows are there"
    else:
        assert rows == len(part) == count
    found = part.evaluate(model, size=1)
    assert list(map(repr, found.predictions)) == list(map(repr, whole.predictions[:rows]))
    assert list(map(repr, found.labels)) == list(map(repr, whole.labels[:rows]))
    assert found.losses.tolist() == whole.losses[: len(part)].tolist()
    assert found.score == split.score(whole.predictions[:rows], whole.labels[:rows])
    assert {name.partition(" on ")[2] for name in found.scores} == {"", "a", "b"}
    assert split.first(len(split)) is split
    assert len(part.first(3).golds) <= 3 <= len(part.first(3)), "a part of a part"
    assert len(split.evaluate(model).losses) == len(split), "the whole is as it was"

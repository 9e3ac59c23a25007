"""GLUE and SQuAD by name: what they read and how they are scored; the hub is a stand-in."""

from __future__ import annotations

import pytest

from axkit.ground import registry
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows

OFFICIAL = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("f1", "accuracy"),
    "qqp": ("f1", "accuracy"),
    "stsb": ("pearson", "spearman"),
    "mnli": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
    "wnli": ("accuracy",),
}


@pytest.fixture
def hub(monkeypatch):
    """Every data set has the columns that it is asked for."""
    import datasets

    texts = "sentence sentence1 sentence2 question question1 question2 premise hypothesis".split()
    splits = "train validation validation_matched validation_mismatched".split()

    def row(split, i):
        text = f"{split} sentence {i}"
        answers = {"text": ["story"], "answer_start": [len(text) + 8]}
        rest = {"label": i % 2, "context": f"{text} is the story", "id": str(i), "answers": answers}
        return dict.fromkeys(texts, text) | rest

    def load_dataset(path, configuration=None, **_):
        return {split: [row(split, i) for i in range(60)] for split in splits}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


@pytest.mark.parametrize("name", OFFICIAL)
def test_glue_is_scored_as_glue_does(name, hub):
    task = registry.get(registry.TASKS, f"glue/{name}")
    assert task.spec.metric_names == OFFICIAL[name]
    test = load_rows(task, Samples()).splits["test"]
    both = {"validation_matched", "validation_mismatched"} if name == "mnli" else set()
    assert set(test.parts) == both
    assert len(test) == (120 if both else 60)


@pytest.mark.parametrize("name", ["squad", "squad_v2"])
def test_squad(name, hub):
    task = registry.get(registry.TASKS, name)
    assert task.spec.metric_names == ("f1", "exact_match")
    assert load_rows(task, Samples()).splits["test"].labels[0][0][1] == "story"


def test_every_part_is_scored(hub):
    import numpy as np

    from axkit.tasks.kinds.known import KINDS
    from axkit.tasks.split import Split
    from axkit.testing import tiny_tokenizer

    task = registry.get(registry.TASKS, "glue/mnli")
    rows = load_rows(task, Samples()).splits["test"]
    split = Split(rows, task.spec, KINDS["classification"], tiny_tokenizer(), 60)
    right = split.parts == "validation_matched"
    scores = split.scores(np.where(right, split.golds, split.golds + 1))
    assert scores == {"accuracy": 50, "accuracy on validation_matched": 100, "accuracy on validation_mismatched": 0}

"""Many texts at once: answered in the order given, as each is alone, in batches of like lengths."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from conftest import folder_of

import axkit
from axkit.finished.use import predict
from axkit.ground.errors import CheckpointError, DataError
from axkit.tasks.batching import token_batches

TEXTS = [
    "the film was good",
    "bad",
    "a very long and dull story about a film and a play that was not good",
    "so",
    "bad",
]


def alike(one, other):
    """The same answers, numbers to 1e-4."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    same = {key: value for key, value in one.items() if not isinstance(value, float)}
    assert same == {key: value for key, value in other.items() if not isinstance(value, float)}
    numbers = {key: value for key, value in one.items() if isinstance(value, float)}
    return numbers == pytest.approx({key: other[key] for key in numbers}, abs=1e-4)


@pytest.mark.parametrize("budget", [{}, {"tokens": 12}, {"rows": 1}])
@pytest.mark.parametrize(
    ("head", "settings", "texts"),
    [
        ("SequenceClassification", {"num_labels": 3}, TEXTS),
        ("SequenceClassification", {"num_labels": 1}, [(text, "a play") for text in TEXTS]),
        ("SequenceClassification", {"problem_type": "multi_label_classification", "num_labels": 3}, TEXTS),
        ("TokenClassification", {"num_labels": 3}, TEXTS),
        ("QuestionAnswering", {}, [("was it good", " ".join(TEXTS) * count) for count in (1, 9, 2)]),
    ],
)
def test_each_is_answered_as_it_is_alone(tmp_path, head, settings, texts, budget):
    folder = tmp_path / "m"
    folder_of(folder, head=head, **settings)
    alone = [predict(folder, *([text] if isinstance(text, str) else text)) for text in texts]
    assert len({json.dumps(one) for one in alone}) > 1, "premise: the answers differ"
    found = axkit.load(folder).predict_many(texts, **budget)
    assert len(found) == len(texts)
    assert all(alike(one, other) for one, other in zip(found, alone, strict=True))


def test_texts_come_from_any_iterable_in_portions(tmp_path, monkeypatch):
    folder_of(tmp_path / "m", num_labels=3)
    model = axkit.load(tmp_path / "m")
    whole = model.predict_many(TEXTS)
    monkeypatch.setattr("axkit.finished.many._AT_ONCE", 2)
    assert all(alike(*pair) for pair in zip(model.predict_many(iter(TEXTS)), whole, strict=True))
    assert model.predict_many([]) == []


def test_a_model_that_carries_it_is_as_it_was(tmp_path):
    folder_of(tmp_path / "m", num_labels=3)
    model = axkit.load(tmp_path / "m")
    expected = model.predict_many(TEXTS)
    assert "predict_many" not in dict(model.named_modules())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            for weight in other.classifier.parameters():
                weight.zero_()
        (found,) = other.predict_many(["bad"])
        assert list(found.values()) == pytest.approx([1 / 3] * 3), "its own weights"
    assert model.predict_many(TEXTS) == expected
    model.save_pretrained(tmp_path / "again")
    assert {"model.safetensors", "config.json"} <= {path.name for path in (tmp_path / "again").iterdir()}


def test_a_predictor_takes_a_folder_of_any_runtime(tmp_path):
    folder_of(tmp_path / "m", num_labels=3)
    found = axkit.Predictor.open(tmp_path / "m", device="cpu").predict_many(TEXTS)
    assert found == axkit.load(tmp_path / "m").predict_many(TEXTS)


def test_what_cannot_be_answered_is_refused(tmp_path):
    folder_of(tmp_path / "m", num_labels=3, about={"task": None, "kind": "classification"})
    model = axkit.load(tmp_path / "m")
    with pytest.raises(DataError, match="an empty text says nothing"):
        model.predict_many(["good", "  "])
    with pytest.raises(DataError, match="0 tokens and 64 rows hold nothing"):
        model.predict_many(["good"], tokens=0)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "m" / name).unlink(missing_ok=True)
    with pytest.raises(CheckpointError):
        axkit.load(tmp_path / "m").predict_many(["good"])


def test_batches_hold_no_more_than_was_granted():
    lengths = np.random.default_rng(0).integers(1, 40, 200)
    made = list(token_batches(lengths, 100, 8))
    assert sorted(row for batch in made for row in batch) == list(range(200))
    assert all(len(batch) <= 8 and len(batch) * max(lengths[batch]) <= 100 for batch in made)
    assert [int(lengths[batch].max()) for batch in made] == sorted(int(lengths[batch].max()) for batch in made)
    assert max(map(len, made)) == 8
    assert list(token_batches(np.array([500, 3]), 100, 8)) == [[1], [0]], "a row that is longer stands alone"

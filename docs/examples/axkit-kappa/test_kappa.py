import numpy as np
import pytest
from axkit_kappa import cohen_kappa

import axkit
from axkit import TaskSpec
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.split import Split
from axkit.testing import tiny_model, tiny_tokenizer


def test_agreement_beyond_chance():
    golds, found = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    # agreed 4/6; expected (2*2 + 3*2 + 1*2) / 36 = 1/3; (2/3 - 1/3) / (1 - 1/3) = 1/2
    assert cohen_kappa(found, golds, ("a", "b", "c")) == pytest.approx(50)
    assert cohen_kappa(golds, golds, ()) == pytest.approx(100)
    assert cohen_kappa(np.zeros(4, int), np.zeros(4, int), ()) == 0


def test_a_task_decides_on_it():
    spec = TaskSpec(kind="classification", text="s", label="y", metric=["cohen_kappa", "accuracy"])
    rows = SplitRows([("a film",), ("a play",), ("so dull",), ("a film is great",)], np.array([0, 1, 1, 0]), ("x", "y"))
    split = Split(rows, spec, KINDS["classification"], tiny_tokenizer(), 60)
    found = split.evaluate(tiny_model(axkit.family_of("bert")))
    assert found.metric == "cohen_kappa"
    assert found.score == pytest.approx(cohen_kappa(found.predictions, found.labels, ("x", "y")))
    with pytest.raises(axkit.PluginError, match="and image_classification and ordinal, not for regression"):
        TaskSpec(kind="regression", text="s", label="y", metric="cohen_kappa")

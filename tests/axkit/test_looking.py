"""How answers are looked at, kind by kind: in words, right or wrong, moved, and each decision with its confidence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from axkit.run.looking import MOST, look_at
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.kinds.look import Look
from axkit.tasks.kinds.luck import objects
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.split import Evaluation


def answers(predictions, golds, confidences=None):
    return Evaluation(np.zeros(len(golds)), predictions, golds, 0.0, "any", {}, confidences)


def looked(kind, dense, result, golds, names=(), texts=None, sure=(None, None)):
    rows = SplitRows(texts or [(f"text {at}",) for at in range(len(golds))], golds, names)
    return look_at(kind, rows, answers(dense, golds, sure[0]), answers(result, golds, sure[1]))


def test_classes():
    golds = np.array([0, 0, 1, 1, 2])
    dense, result = np.array([0, 1, 1, 0, 2]), np.array([0, 0, 0, 2, 2])
    sure = ([0.9, 0.6, 0.8, 0.55, 1.0], [0.9, 0.7, 0.65, 0.5, 1.0])
    found = looked("classification", dense, result, golds, ("good", "bad", "odd"), sure=sure)
    assert found.counts == (1, 1, 1)
    assert [(one.row, one.wanted, one.dense, one.result) for one in found.moved] == [
        (2, "bad", "bad", "good"),
        (3, "bad", "good", "odd"),
        (1, "good", "bad", "good"),
    ]
    assert (found.moved[0].dense_confidence, found.moved[0].result_confidence) == (0.8, 0.65)
    assert found.dense.confusion == ((1, 1, 0), (1, 1, 0), (0, 0, 1))
    assert found.there == (2, 2, 1)
    assert found.result.scores[0] == pytest.approx((200 / 3, 100.0, 80.0))
    assert [(one.low, one.decisions, one.right) for one in found.dense.bins] == [
        (0.5, 1, 0.0), (0.6, 1, 0.0), (0.8, 1, 1.0), (0.9, 2, 1.0),
    ]  # fmt: skip
    assert found.dense.decisions == 5


def test_of_many_rows_that_moved_the_worst_and_the_best_are_kept():
    golds = np.arange(1000) % 2
    dense = np.where(np.arange(1000) < 400, golds, 1 - golds)
    found = looked("classification", dense, 1 - dense, golds, ("a", "b"))
    assert found.counts == (600, 400, 0)
    assert [one.gain for one in found.moved] == [-1.0] * (MOST // 2) + [1.0] * (MOST // 2)
    assert found.moved[0].result_confidence is None
    assert found.dense.bins == (), "nobody knows how sure it was"


def test_sets_are_looked_at_label_by_label():
    golds = np.array([[1, 0], [1, 1]])
    dense, result = np.array([[1, 0], [0, 0]]), np.array([[1, 1], [1, 0]])
    found = looked("multi_label", dense, result, golds, ("x", "y"), sure=([[0.9, 0.8], [0.6, 0.7]],) * 2)
    assert (found.unit, found.counts) == ("label of a row", (1, 1, 0))
    assert [(one.wanted, one.dense, one.result) for one in found.moved] == [
        ("x", "x", "x, y"),
        ("x, y", "no label", "x"),
    ]
    assert found.moved[0].dense_confidence == 0.8
    assert found.dense.decisions == 4
    assert found.dense.confusion == ()
    assert found.classes == ("x", "y")


def test_scores_are_nearer_or_further_off():
    golds = np.array([1.0, 2.0, 3.0])
    found = looked("regression", np.array([1.0, 2.5, 3.0]), np.array([1.5, 2.25, 3.0]), golds)
    assert found.counts == (1, 1, 0)
    assert [(one.wanted, one.result, found.word(one.gain)) for one in found.moved] == [
        ("1", "1.5", "further off"),
        ("2", "2.25", "nearer"),
    ]
    assert found.numbers == ((1.0, 1.0, 1.5), (2.0, 2.5, 2.25), (3.0, 3.0, 3.0))


def test_tags_are_looked_at_word_by_word():
    golds = objects([("B-PER", "I-PER", "O"), ("O", "O")])
    dense = objects([("B-PER", "O", "O"), ("O", "O")])
    result = objects([("B-PER", "I-PER", "O"), ("B-LOC", "O")])
    sure = [[0.9, 0.6, None], [0.7, 0.8]]
    found = looked(
        "token_classification", dense, result, golds, ("B-PER", "I-PER", "O", "B-LOC"),
        [("Ann", "Lee", "sings"), ("so", "it")], sure=(sure, sure),
    )  # fmt: skip
    assert (found.unit, found.counts) == ("word", (1, 1, 0))
    assert found.moved[1].text == "Ann Lee sings"
    assert found.moved[1].wanted == "Ann (B-PER), Lee (I-PER)"
    assert found.moved[0].result == "so (B-LOC)"
    assert found.moved[1].dense_confidence == 0.6
    assert found.dense.decisions == 4, "a word that was cut off is none"
    assert set(found.classes) == {"PER", "O", "LOC"}
    place = [found.classes.index(name) for name in ("PER", "O", "LOC")]
    assert found.dense.confusion[place[0]][place[1]] == 1
    assert found.result.confusion[place[1]][place[2]] == 1


def test_answers_to_questions():
    golds = objects([("the red hat", "hat"), ()])
    dense, result = objects(["red", ""]), objects(["A hat.", "blue"])
    found = looked("question_answering", dense, result, golds, texts=[("what?", "the red hat"), ("who?", "blue")])
    assert found.counts == (1, 1, 0)
    assert [(one.wanted, one.dense, one.result) for one in found.moved] == [
        ("no answer", "no answer", "blue"),
        ("the red hat / hat", "red", "A hat."),
    ]
    assert found.moved[1].text == "what? | the red hat"
    assert looked("question_answering", dense, dense, golds).moved == ()


def test_a_kind_that_says_nothing_shows_which_answers_are_others():
    look = Look()
    assert look.differ([1, (2, 3)], [1, (2, 4)]).tolist() == [False, True]
    assert look.right([1], [1]) is None
    assert look.gains(np.array([1, 2]), np.array([1, 3]), np.array([1, 3])).tolist() == [0, 0]
    assert look.sureness([0.5, [0.1], None]) == [0.5, None, None], "of another kind's confidences it makes nothing"
    assert look.decisions([1], [1], [0.5]) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("classification", [0.75, 0.5]), ("multi_label", [[0.75, 0.5], [0.5, 0.5]]), ("regression", [None, None])],
)
def test_how_sure_a_model_is(kind, expected):
    logits = torch.tensor([[np.log(3.0), 0.0], [0.0, 0.0]])
    found = KINDS[kind].confidences(logits, torch.zeros(2, dtype=torch.long))
    assert found == [None, None] if kind == "regression" else np.allclose(found, expected)


def test_every_kind_of_ours_has_a_look_of_its_own():
    assert [name for name in KINDS if type(rows_of(name).look) is Look] == []

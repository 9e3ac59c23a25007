"""Which of the teacher's layers a layer of the student learns from."""

from __future__ import annotations

import pytest

from axkit.anatomy.structure import Structure
from axkit.ground.errors import NotApplicable
from axkit.kit.train.layer_map import layer_map


def kept(layers, keep):
    structure = Structure.dense(layers, 4, 24)
    for index in set(range(layers)) - set(keep):
        structure = structure.without_layer(index)
    return structure


def test_with_no_layer_gone_each_has_its_own():
    student = Structure.dense(6, 4, 24).without_ffn(1).without_attention(4).without_heads(0, [1])
    assert layer_map(student, Structure.dense(6, 4, 24)) == {i: i for i in range(6)}


@pytest.mark.parametrize(
    ("layers", "keep", "wanted"),
    [
        (6, [0, 2, 4], [1, 3, 5]),  # TinyBERT's uniform map
        (12, [2, 5, 8, 11], [4, 7, 10, 11]),
        (12, [0, 2, 4, 7, 9, 11], [1, 3, 6, 8, 10, 11]),  # the layers that DistilBERT starts from
        (6, [0, 1, 2], [0, 1, 5]),  # the head reads what the last layer gives
    ],
)
def test_a_layer_answers_for_those_that_went_behind_it(layers, keep, wanted):
    found = layer_map(kept(layers, keep), Structure.dense(layers, 4, 24))
    assert found == dict(zip(keep, wanted, strict=True))


def test_a_teacher_of_another_depth():
    assert layer_map(Structure.dense(4, 4, 24), Structure.dense(12, 4, 24)) == {0: 2, 1: 5, 2: 8, 3: 11}
    assert layer_map(kept(6, [0, 2, 4]), Structure.dense(12, 4, 24)) == {0: 3, 2: 7, 4: 11}
    assert layer_map(Structure.dense(6, 4, 24), Structure.dense(3, 4, 24)) == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}


def test_a_declared_map_survives_what_goes_afterwards():
    teacher, declared = Structure.dense(12, 4, 24), {0: 1, 3: 7, 5: 11}
    assert layer_map(Structure.dense(6, 4, 24), teacher, declared) == declared
    assert layer_map(kept(6, [0, 5]).without_heads(0, [1]), teacher, declared) == {0: 1, 5: 11}
    assert layer_map(kept(6, [0, 2, 5]), teacher, [3, 7, 11]) == {0: 3, 2: 7, 5: 11}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ([1, 2], "lists 2 of the teacher's layers, and 3 layers"),
        ({6: 1}, "layer 6 of the model, which has layers 0 to 5"),
        ({0: 12}, "layer 12 of the teacher, which has layers 0 to 11"),
        ({0: -1}, "layer -1 of the teacher"),
    ],
)
def test_a_map_that_names_no_layers_is_refused(declared, words):
    with pytest.raises(NotApplicable, match=words):
        layer_map(kept(6, [0, 2, 4]), Structure.dense(12, 4, 24), declared)

from __future__ import annotations

import json

import pytest

from axkit.anatomy.structure import Structure, from_ranges, to_ranges
from axkit.ground.errors import CheckpointError

DENSE = Structure.dense(3, 4, 24)


@pytest.mark.parametrize(("indices", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 5), "0-2,5"), ((1, 3, 4), "1,3-4")])
def test_ranges(indices, text):
    assert to_ranges(indices) == text
    assert from_ranges(text) == indices


def test_json_round_trip():
    structure = DENSE.without_heads(0, [1, 3]).without_neurons(2, range(5, 9)).without_ffn(1).change(2, hard_k=7)
    assert Structure.from_json(json.loads(json.dumps(structure.to_json()))) == structure
    assert not structure.is_dense
    assert DENSE.is_dense


def test_positions_count_what_is_left_and_indices_the_dense_model():
    once = DENSE.without_heads(0, [0])
    assert once.keep_heads(0, [0, 2]).layers[0].heads == (1, 3)
    assert once.without_heads(0, [1]).layers[0].heads == (2, 3)
    with pytest.raises(ValueError, match="layer 0 has 3 heads left"):
        once.keep_heads(0, [3])


def test_within():
    less = DENSE.without_ffn(0)
    assert less.is_within(DENSE)
    assert not DENSE.is_within(less)
    assert not DENSE.is_within(Structure.dense(2, 4, 24))


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("layers"),
        lambda d: d["layers"][0].pop("heads"),
        lambda d: d["layers"][0].update(heads="x"),
        lambda d: d["layers"][0].update(heads="0-9"),
    ],
)
def test_damaged_json_is_refused(damage):
    data = DENSE.to_json()
    damage(data)
    with pytest.raises(CheckpointError):
        Structure.from_json(data)

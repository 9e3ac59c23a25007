"""Parquet columns of every type: what means the same in JSON is read, the rest is refused by its name."""

from __future__ import annotations

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from readings import cells

from axkit.ground.errors import DataError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def read(tmp_path):
    def go(column, **fields):
        texts = pa.array([f"row {i}" for i in range(len(column))])
        pq.write_table(pa.table({"text": texts, "label": column, "note": texts}), tmp_path / "x.parquet")
        return [label for _, label in cells(tmp_path / "x.parquet", **fields)]

    return go


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array(["a", None, "b"]), ["a", None, "b"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([b"a", "é".encode()]), ["a", "é"]),
        (pa.array([1, 2], pa.int8()), [1, 2]),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
        (pa.array([1.5, float("inf")]), [1.5, float("inf")]),
        (pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.50")]), [1, 2.5]),
        (pa.array([True, None]), [True, None]),
        (pa.nulls(2), [None, None]),
        (pa.array([["a", "b"], []]), [["a", "b"], []]),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), [[1, 2]]),
        (pa.array([{"text": ["a"], "answer_start": [0]}]), [{"text": ["a"], "answer_start": [0]}]),
    ],
)
def test_what_means_the_same_in_json_is_read(read, column, values):
    assert read(column) == values


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([datetime.datetime(2026, 1, 2)]), "x.parquet, column 'label': it holds timestamp[us]; write text"),
        (pa.array([datetime.date(2026, 1, 2)]), "column 'label': it holds date32[day]"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "column 'label': it holds map<string, int64"),
        (pa.array([b"a", b"\xff"]), "x.parquet, row 2, column 'label': its bytes are no UTF-8 text; write text"),
        (
            pa.array([b"a", b"\xff"]).view(pa.string()),
            "x.parquet, row 1, column 'label': one of the next 2 texts is not",
        ),
    ],
)
def test_what_does_not_is_refused(read, column, message):
    with pytest.raises(DataError) as caught:
        read(column)
    assert message in str(caught.value)


def test_a_column_that_is_not_there_or_twice(read, tmp_path):
    with pytest.raises(DataError, match=r"x\.parquet: no column 'words'; the columns are text, label, note"):
        read(pa.array(["a"]), text="words")
    twice = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "label", "label"])
    pq.write_table(twice, tmp_path / "y.parquet")
    with pytest.raises(DataError, match=r"y\.parquet, column 'label': 2 columns are called so"):
        cells(tmp_path / "y.parquet")


def test_damage_is_one_sentence(read, tmp_path):
    read(pa.array([f"label {i}" for i in range(500)]))
    whole = (tmp_path / "x.parquet").read_bytes()
    for at in range(0, len(whole) - 8, 97):
        path = tmp_path / "damaged.parquet"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            assert len(cells(path)) <= 500
        except DataError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017  # it may be read as well

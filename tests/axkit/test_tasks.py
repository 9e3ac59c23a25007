from __future__ import annotations

import json

import numpy as np
import pytest

from axkit.ground.errors import DataError, RecipeError
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows, row_hash, split_by_hash
from axkit.tasks.spec import Task, TaskSpec, resolve
from axkit.testing import tiny_split


def task(train, test=None, **fields):
    spec = TaskSpec(**({"kind": "classification", "text": "s", "label": "y"} | fields))
    return Task("t", spec, lambda: {"train": train, "test": test or train[:4]})


def rows(n, labels=2):
    return [{"s": f"row number {i}", "y": i % labels} for i in range(n)]


def test_search_is_held_out_by_the_rows_own_hash():
    few, many = load_rows(task(rows(300)), Samples()), load_rows(task(rows(600)), Samples())
    held = set(few.splits["search"].texts)
    assert held <= set(many.splits["search"].texts)
    assert not held & set(few.splits["train"].texts)
    assert 0.1 < len(held) / 300 < 0.2
    assert few.overlap == 4
    assert sum(few.overlaps.values()) == 4
    assert set(few.overlaps) <= {("train", "test"), ("search", "test")}


def test_overlap_is_counted_for_each_pair_of_splits():
    def some(*numbers):
        return [{"s": f"row number {i}", "y": i % 2} for i in numbers]

    spec = TaskSpec(kind="classification", text="s", label="y")
    raw = {"train": some(*range(20)), "search": some(18, 19, 19, 30, 31), "test": some(0, 19, 30, 30, 40)}
    found = load_rows(Task("t", spec, lambda: raw), Samples())
    assert found.overlaps == {("train", "search"): 3, ("train", "test"): 2, ("search", "test"): 3}
    assert found.overlap == 4, "rows of test that stand in either"
    assert not load_rows(Task("t", spec, lambda: raw | {"test": some(50), "search": some(60, 61)}), Samples()).overlaps


def test_samples_are_a_fixed_shuffled_subset():
    small = load_rows(task(rows(300)), Samples(train=50))
    large = load_rows(task(rows(300)), Samples(train=100))
    assert len(small.splits["train"]) == 50
    assert small.splits["train"].texts == large.splits["train"].texts[:50]
    assert small.fingerprint != large.fingerprint
    assert 10 < small.splits["train"].labels.sum() < 40


def test_doubles_stay_together():
    parts = split_by_hash([{"s": "same"}] * 5 + rows(50), "s", {"test": 0.5})
    assert sum(any(r["s"] == "same" for r in part) for part in parts.values()) == 1
    assert 0 <= row_hash(("x",), "split") < 1


def test_labels_by_name_and_regression():
    named = [{"s": f"text {i}", "y": "pos" if i % 2 else "neg"} for i in range(40)]
    loaded = load_rows(task(named), Samples())
    assert loaded.label_names == ("neg", "pos")
    scores = [{"s": f"text {i}", "y": i / 3} for i in range(40)]
    assert load_rows(task(scores, kind="regression"), Samples()).splits["train"].labels.dtype == np.float64


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
def test_files(tmp_path, suffix, monkeypatch):
    import pandas

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    frame = pandas.DataFrame(rows(40))
    path = tmp_path / f"train.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(40)))
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    spec = TaskSpec(kind="classification", text="s", label="y", files={"train": str(path), "test": str(path)})
    loaded = load_rows(Task("f", spec), Samples())
    assert len(loaded.splits["test"]) == 40


def test_batches_are_sorted_whole_and_the_same_each_time():
    split = tiny_split(50)
    batches = list(split.batches(16))
    assert [len(b.rows) for b in batches] == [16, 16, 16, 2]
    rows = np.concatenate([b.rows for b in batches])
    assert sorted(rows.tolist()) == list(range(50))
    assert (np.diff(split.lengths[rows]) >= 0).all()
    for batch in batches:
        assert batch.inputs["input_ids"].shape[1] == split.lengths[batch.rows].max()
    assert [b.rows.tolist() for b in split.batches(16)] == [b.rows.tolist() for b in batches]


def test_faults_of_a_task_come_in_the_order_of_its_settings():
    faulty = {"max_length": 1, "metric": {}, "files": 3, "image": 3, "kind": "classification", "label": "y"}
    with pytest.raises(RecipeError) as caught:
        resolve(faulty, lambda at: str(at[1]))
    told = [fault.split(":")[0] for fault in caught.value.faults]
    assert list(dict.fromkeys(told)) == ["image", "files", "metric", "max_length"]


def one_file(found, **fields):
    spec = TaskSpec(kind="classification", text="s", label="y", **{"split": {"test": 0.2, "search": 0.15}, **fields})
    return Task("t", spec, lambda: {"train": found})


def test_one_source_is_split_by_shares_in_each_class():
    found = [{"s": f"text {i}", "y": i % 10 == 0} for i in range(400)] + [{"s": f"rare {i}", "y": "x"} for i in (0, 1)]
    found = [{**row, "y": str(row["y"])} for row in found]
    loaded = load_rows(one_file(found), Samples())
    sizes = {name: np.bincount(split.labels, minlength=3).tolist() for name, split in loaded.splits.items()}
    assert sizes["test"] == [72, 8, 1]
    assert sizes["search"] == [54, 6, 0]
    assert sizes["train"] == [234, 26, 1]
    assert not loaded.overlap
    again = load_rows(one_file(found[::-1]), Samples())
    assert again.fingerprint == loaded.fingerprint, "it does not depend on the order of the rows"


def test_doubles_of_other_labels_never_straddle():
    found = [{"s": f"text {i // 3}", "y": i % 2} for i in range(600)]
    loaded = load_rows(one_file(found), Samples())
    assert not loaded.overlaps
    assert sum(map(len, loaded.splits.values())) == 600


def test_search_is_a_share_of_what_test_leaves():
    found = rows(1000)
    loaded = load_rows(one_file(found, split={"test": 0.2}), Samples())
    assert [len(loaded.splits[name]) for name in ("train", "search", "test")] == [680, 120, 200]
    spec = TaskSpec(kind="classification", text="s", label="y", split={"search": 0.3})
    loaded = load_rows(Task("t", spec, lambda: {"train": found, "test": rows(50)}), Samples())
    assert [len(loaded.splits[name]) for name in ("train", "search", "test")] == [700, 300, 50]


def test_shares_that_cannot_be_are_refused():
    given = {"kind": "classification", "text": "s", "label": "y", "files": "all.csv"}
    for split, said in (
        ({"test": 0.5, "search": 0.5}, "leave train no rows"),
        ({"test": 1.5}, "less than 1"),
        ({"tst": 0.5}, "did you mean 'test'"),
        ({"search": 0.1}, "split: {test: 0.2}"),
    ):
        with pytest.raises(RecipeError, match=said):
            resolve({**given, "split": split}, lambda at: "r.yaml")
    with pytest.raises(RecipeError, match="test split of its own"):
        resolve({**given, "files": {"train": "a", "test": "b"}, "split": {"test": 0.2}}, lambda at: "r.yaml")
    with pytest.raises(DataError, match="brings a test split"):
        load_rows(Task("t", one_file([]).spec, lambda: {"train": rows(20), "test": rows(20)}), Samples())
    with pytest.raises(DataError, match="too few rows"):
        load_rows(one_file(rows(2)), Samples())

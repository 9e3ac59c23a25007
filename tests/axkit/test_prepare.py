"""Rows that stay on disk: nothing is held, what is made of them is found again, and nothing else differs."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from axkit.ground.errors import DataError
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.source.table import BATCH, Table, Texts
from axkit.tasks.spec import Task, TaskSpec
from axkit.tasks.split import Split
from axkit.testing import tiny_tokenizer

WORDS = "the film play story dull bright is was very and so good bad".split()
ROWS = BATCH + 234  # more than are in memory at once
FIELDS = {
    "classification": {"text": "text", "label": "label"},
    "token_classification": {"text": "words", "label": "tags"},
    "question_answering": {"text": ["question", "text"], "label": "answers", "max_length": 26, "stride": 4},
}


@pytest.fixture(scope="module")
def rows():
    draw, made = random.Random(1), []
    for index in range(ROWS):
        words = draw.choices(WORDS, k=draw.randint(3, 30))
        answer = draw.choice(words)
        start = " ".join(words).index(answer)
        made.append(
            {
                "id": index,
                "text": " ".join(words),
                "label": index % 3,
                "words": words,
                "tags": ["B-GOOD" if word == "good" else "O" for word in words],
                "question": f"was it {draw.choice(WORDS)}",
                "answers": {"text": [answer], "answer_start": [start]},
            }
        )
    return made


@pytest.fixture
def files(rows, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for name, some in (("train", rows), ("test", rows[:40])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "test")}


def split_of(rows, spec, tokenizer=None):
    return Split(rows, spec, KINDS[spec.kind], tokenizer or tiny_tokenizer(), 60)


@pytest.mark.parametrize("kind", FIELDS)
def test_rows_on_disk_and_in_memory_give_the_same(kind, rows, files):
    fields = {"kind": kind, "id": "id", **FIELDS[kind]}
    on_disk = load_rows(Task("t", TaskSpec(**fields, files=files)), Samples(train=900))
    in_memory = load_rows(Task("t", TaskSpec(**fields), lambda: {"train": rows, "test": rows[:40]}), Samples(train=900))
    assert on_disk.fingerprint == in_memory.fingerprint
    assert on_disk.overlaps == in_memory.overlaps
    for name in ("train", "search", "test"):
        one, other = (some.splits[name] for some in (on_disk, in_memory))
        assert isinstance(one.texts, Texts)
        assert isinstance(other.texts, list)
        assert list(one.texts) == list(other.texts)
        assert one.labels.tolist() == other.labels.tolist()
        a, b = (split_of(part, TaskSpec(**fields)) for part in (one, other))
        assert a.lengths.tolist() == b.lengths.tolist()
        assert list(a.examples) == list(b.examples)
        assert list(map(repr, a.labels)) == list(map(repr, b.labels))
        assert list(map(repr, a.encoded.notes)) == list(map(repr, b.encoded.notes))
        few = a.first(7)
        assert (few.batch(range(7)).labels == b.batch(range(7)).labels).all()


def test_what_was_tokenized_is_found_again_and_only_that(files):
    spec = TaskSpec(kind="classification", text="text", label="label", files=files)
    rows = load_rows(Task("t", spec), Samples()).splits["train"]
    calls = []

    class Counting(type(tiny_tokenizer())):
        def __call__(self, *arguments, **settings):
            calls.append(arguments)
            return super().__call__(*arguments, **settings)

    def prepared(rows=rows, spec=spec, **change):
        tokenizer = tiny_tokenizer()
        tokenizer.__class__ = Counting
        for name, value in change.items():
            setattr(tokenizer, name, value)
        calls.clear()
        made = split_of(rows, spec, tokenizer)
        return made, sum(isinstance(texts[0], list) for texts in calls)

    first, batches = prepared()
    assert batches == -(-len(rows) // BATCH)
    (file,) = {entry["filename"] for entry in first.examples.cache_files}
    again, batches = prepared()
    assert batches == 0
    assert list(again.examples) == list(first.examples)
    assert again.at_limit == first.at_limit
    assert {entry["filename"] for entry in again.examples.cache_files} == {file}
    assert prepared(spec=spec.model_copy(update={"max_length": 8}))[1]
    assert prepared(model_input_names=["input_ids"])[1]
    assert prepared(truncation_side="left")[1]
    assert prepared(rows=load_rows(Task("t", spec), Samples(train=500)).splits["train"])[1]
    assert prepared()[1] == 0


def test_small_rows_in_memory_leave_no_file(rows):
    spec = TaskSpec(kind="classification", text="text", label="label")
    loaded = load_rows(Task("t", spec, lambda: {"train": rows, "test": rows[:40]}), Samples())
    assert not split_of(loaded.splits["train"], spec).examples.cache_files


def test_ids_are_compared_themselves_not_their_hashes(tmp_path):
    spec = TaskSpec(kind="classification", text="text", label="label", id="id")

    def load(*ids):
        some = [{"id": one, "text": f"text {i}", "label": i % 2} for i, one in enumerate(ids)]
        return load_rows(Task("t", spec, lambda: {"train": some, "test": some[:2]}), Samples())

    assert hash(-1) == hash(-2), "as Python has it"
    assert load(*range(-20, 20))
    with pytest.raises(DataError, match="row 42: 'id' is -2, as in row 19; give each row its own"):
        load(*range(-20, 20), 77, -2, -1)
    with pytest.raises(DataError, match=r"row 3: 'id' is \['a'\], which names no row"):
        load(1, 2, ["a"])


def test_parts_in_different_forms(tmp_path):
    def write(name, words):
        path = tmp_path / name
        some = [{"words": words(f"good film {i}".split()), "tags": words(["O", "O", "B-N"])} for i in range(30)]
        path.write_text("".join(json.dumps(row) + "\n" for row in some))
        return str(path)

    lists, other = write("lists.jsonl", list), write("others.jsonl", list)
    strings = write("strings.jsonl", " ".join)
    fields = {"kind": "token_classification", "text": "words", "label": "tags"}
    alike = load_rows(Task("t", TaskSpec(**fields, files={"train": [lists, other], "test": strings})), Samples())
    assert sum(len(alike.splits[name]) for name in ("train", "search")) == 60
    both = load_rows(Task("t", TaskSpec(**fields, files={"train": lists, "test": [lists, strings]})), Samples())
    texts, parts = both.splits["test"].texts, both.splits["test"].parts
    assert set(parts) == {"lists", "strings"}
    assert len(texts) == 60
    assert set(texts) == {("good", "film", str(i)) for i in range(30)}


def test_data_sets_in_different_forms_do_not_join():
    import datasets

    parts = [datasets.Dataset.from_dict({"words": words}) for words in ([["a", "b"]], ["a b"])]
    with pytest.raises(DataError, match=r"here: its files hold the columns words in different forms .*alike"):
        Table(parts).joined("here")


def test_text_columns_of_parquet_join_those_of_csv(tmp_path):
    """Parquet may hold its strings with 64-bit offsets."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f"row {i}" for i in range(30)]
    table = pa.table({"s": pa.array(texts, pa.large_string()), "y": [i % 2 for i in range(30)]})
    pq.write_table(table, tmp_path / "one.parquet")
    (tmp_path / "two.csv").write_text("s,y\n" + "".join(f"line {i},{i % 2}\n" for i in range(30)))
    both = [str(tmp_path / "two.csv"), str(tmp_path / "one.parquet")]
    spec = TaskSpec(kind="classification", text="s", label="y", files={"train": both, "test": both})
    test = load_rows(Task("t", spec), Samples()).splits["test"]
    assert sorted(text for (text,) in test.texts) == sorted([*texts, *(f"line {i}" for i in range(30))])
    assert {"one", "two"} == set(test.parts)
    assert all(text[0].startswith("row") == (part == "one") for text, part in zip(test.texts, test.parts, strict=True))
    assert np.bincount(test.labels).tolist() == [30, 30]

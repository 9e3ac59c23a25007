"""Scores, words and tags, answers: what their cells say; and what plan shows of them."""

from __future__ import annotations

import json

import pytest
from readings import loaded, write

from axkit.ground.errors import DataError
from axkit.tasks.labels.shown import shown_labels, shown_rows
from axkit.tasks.spec import TaskSpec

STARS = ["1", "2", "3", "4", "5"]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def jsonl(path, labels, text="row"):
    rows = [{"text": f"{text} {i}", "label": label} for i, label in enumerate(labels)]
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("score", ["1.5", " 1.5 ", 1.5, "15e-1", "+1.5"])
def test_a_score_may_be_a_text(tmp_path, score):
    path = jsonl(tmp_path / "x.jsonl", [score, 2, 3] * 5)
    assert 1.5 in loaded(path, kind="regression").splits["test"].labels


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("3,5", "row 3: score 'label' is '3,5'; it must be a finite number, written with a point: 3.5"),
        ("1_000", "score 'label' is '1_000'; it must be a finite number"),
        ("high", "score 'label' is 'high'"),
        ("inf", "score 'label' is inf"),
        (True, "score 'label' is True"),
        (None, "score 'label' is None"),
        ([1.5], "score 'label' is [1.5]"),
        (1e39, "score 'label' is 1e+39"),
        (10**400, "score 'label' is 1000"),
    ],
)
def test_a_score_is_a_finite_number(tmp_path, score, message):
    with pytest.raises(DataError) as caught:
        loaded(jsonl(tmp_path / "x.jsonl", [1, 2, score]), kind="regression")
    assert message in str(caught.value)


def tokens(tmp_path, words, tags, **fields):
    row = json.dumps({"words": words, "tags": tags}) + "\n"
    other = "".join(json.dumps({"words": ["w", f"{i}"], "tags": ["O", "B-X"]}) + "\n" for i in range(20))
    path = write(tmp_path / "x.jsonl", row + other)
    spec = {"kind": "token_classification", "text": "words", "label": "tags"} | fields
    rows = loaded(path, **spec)
    return rows, dict(zip(rows.splits["test"].texts, rows.splits["test"].labels, strict=True))


@pytest.mark.parametrize(
    ("words", "tags", "read"),
    [
        (["New York", "won"], ["B-X", "O"], ("New York", "won")),
        (["10\u00a0000", "\u00a0"], ["B-X", "O"], ("10\u00a0000", "\u00a0")),
        ("10\u00a0000 won", "B-X O", ("10\u00a0000", "won")),
        ("[ EU ]", "O B-X O", ("[", "EU", "]")),
    ],
)
def test_words_may_hold_spaces(tmp_path, words, tags, read):
    _, found = tokens(tmp_path, words, tags)
    assert found[read] == tuple(tags if isinstance(tags, list) else tags.split())


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ("['EU', \"it's\"]", ["O", "O"], "row 1: 'words' is '[\\'EU\\', \"it\\'s\"]', the text of a list; write JSONL"),
        (["EU", "won"], "['B-X', 'O']", "row 1: 'tags' is \"['B-X', 'O']\", the text of a list; write JSONL"),
        (["EU", "won"], "[3, 0]", "row 1: 'tags' is '[3, 0]', the text of a list; write JSONL"),
        (["EU", ""], ["O", "O"], "row 1: word 2 of 'words' is empty; fill it in or take it out, with its tag"),
        (["EU", " "], ["O", "O"], "word 2 of 'words' is empty"),
        (["EU", 3], ["O", "O"], "'words' is no list of words (['EU', 3])"),
        (
            "Ada won",
            [[0, 3, "PER"]],
            "row 1: 'tags' holds [0, 3, 'PER'], which is no tag; give words, and a tag for each",
        ),
        ("Ada won", [{"start": 0, "end": 3}], "row 1: 'tags' holds {'start': 0, 'end': 3}, which is no tag"),
        (["EU", "won"], ["O"], "row 1: 2 words have 1 tags ('tags'); give each word one"),
        (["EU", "won"], None, "row 1: 2 words have 0 tags"),
        (["EU", "won"], ["O", None], "row 1: label None is no label"),
        (["EU", "won"], ["O", "b-x"], "differs from 'b-x' (task 't', train split, row 1) in case or spaces only"),
    ],
)
def test_words_and_tags_that_are_none(tmp_path, words, tags, message):
    with pytest.raises(DataError) as caught:
        tokens(tmp_path, words, tags)
    assert message in str(caught.value)


def test_a_word_a_row_is_no_sentence(tmp_path):
    rows = "".join(f"w{i},{'B-X' if i % 3 else 'O'}\n" for i in range(30))
    with pytest.raises(DataError, match="every row of train holds one word in 'words', and a row is a sentence"):
        loaded(
            write(tmp_path / "x.csv", f"words,tags\n{rows}"), kind="token_classification", text="words", label="tags"
        )


def question(tmp_path, answers, **fields):
    rows = [{"q": f"who {i}?", "c": f"so, Ada won {i}", "a": answers} for i in range(20)]
    path = write(tmp_path / "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return loaded(path, kind="question_answering", text=["q", "c"], label="a", **fields).splits["test"].labels[0]


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["Ada"], "answer_start": [4]},
        {"text": "Ada", "answer_start": 4},
        [{"text": "Ada", "answer_start": 4, "answer_end": 7}],
        {"text": ["Ada"], "answer_start": [4.0]},
    ],
)
def test_shapes_of_an_answer(tmp_path, answers):
    assert question(tmp_path, answers) == ((4, "Ada"),)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"text": ["Ada"], "answer_start": [5]},
            "row 1: the context does not hold the answer 'Ada' at character 5; mend",
        ),
        ({"text": ["5"], "answer_start": [-1]}, "the context does not hold the answer '5' at character -1"),
        ({"text": ["Ada"], "answer_start": [10**30]}, "does not hold the answer 'Ada'"),
        ({"text": ["Ada"], "answer_start": ["4"]}, "is no answer with text and answer_start"),
        ({"text": ["Ada"], "answer_start": [4.5]}, "is no answer with text and answer_start"),
        ({"text": ["Ada"], "answer_start": [float("inf")]}, "is no answer with text and answer_start"),
        ({"text": ["Ada", "a"], "answer_start": [4]}, "is no answer with text and answer_start"),
        ({"text": "Ada", "answer_start": [4]}, "is no answer with text and answer_start"),
        ({"text": ["Ada"]}, "is no answer with text and answer_start"),
        ([None], "is no answer with text and answer_start"),
        (
            "{'text': array(['Ada'], dtype=object), 'answer_start': array([4])}",
            "but the text of an object; write JSONL",
        ),
    ],
)
def test_answers_that_are_none(tmp_path, answers, message):
    with pytest.raises(DataError) as caught:
        question(tmp_path, answers)
    assert message in str(caught.value)


def test_what_plan_shows(tmp_path):
    stars = loaded(jsonl(tmp_path / "x.jsonl", [1, 2, 4] * 10, "a \x1b[31m" + "long " * 20), label_names=STARS)
    spec = TaskSpec(kind="classification", text="text", label="label", label_names=STARS)
    lines = shown_rows(spec, stars)
    assert len(lines) == 3
    assert all(line.isprintable() and len(line) < 100 and "..." in line for line in lines)
    assert {line.rsplit(" ")[-1] for line in lines} <= {"1", "2", "4"}
    assert shown_labels(spec, stars)["test"] == "1: 10, 2: 10, 3: 0, 4: 10, 5: 0"
    rows, _ = tokens(tmp_path, ["EU"], ["O"])
    assert (
        shown_labels(TaskSpec(kind="token_classification", text="words", label="tags"), rows)["test"]
        == "B-X: 20, O: 21"
    )
    scores = loaded(jsonl(tmp_path / "y.jsonl", [1, 2, 6] * 10), kind="regression")
    assert shown_labels(TaskSpec(kind="regression", text="t", label="l"), scores)["test"] == "1 to 6, mean 3"
    many = loaded(jsonl(tmp_path / "z.jsonl", list(range(30)) * 4))
    assert shown_labels(spec, many)["test"].endswith("19: 4, and 10 more labels")

"""Question answering: windows, spans, no answer, and the official scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from axkit.ground.errors import DataError, RecipeError
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.kinds.question_answering import squad
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import SplitRows, load_rows
from axkit.tasks.spec import Task, TaskSpec, resolve
from axkit.tasks.split import Split
from axkit.testing import tiny_tokenizer

KIND = KINDS["question_answering"]
WORDS = "the film was a very bright story and the play was so dull but not the weak great fine good bad poor".split()
CONTEXT = " ".join(WORDS)


def spec(**fields):
    return TaskSpec(
        **({"kind": "question_answering", "text": ["q", "c"], "label": "a", "max_length": 30, "stride": 5} | fields)
    )


def split_of(*rows, **fields):
    """Rows of (question, context, answers)."""
    labels = np.empty(len(rows), dtype=object)
    labels[:] = [tuple(answers) for _, _, answers in rows]
    return Split(SplitRows([(q, c) for q, c, _ in rows], labels), spec(**fields), KIND, tiny_tokenizer(), 60)


def at(text, context=CONTEXT):
    return (context.index(text), text)


def test_one_window_where_the_context_fits():
    split = split_of(("was it good", CONTEXT, [at("bright story")]))
    assert len(split) == 1
    (window,) = split.encoded.notes
    start, end, length = split.labels[0]
    assert length == len(split.examples[0]["input_ids"]) == 3 + 3 + len(WORDS)
    assert CONTEXT[window.spans[start][0] : window.spans[end][1]] == "bright story"
    assert window.spans[0] is None
    assert window.spans[1] is None, "the question is no place for an answer"


def test_windows_overlap_by_the_stride_and_together_hold_every_word():
    context = " ".join(WORDS * 4)
    split = split_of(("was it good", context, [at("good bad poor", context)]), stride=6)
    windows = split.encoded.notes
    assert len(windows) > 3
    assert {window.row for window in windows} == {0}
    covered = [{span for span in window.spans if span} for window in windows]
    assert set.union(*covered) == {(s, s + len(w)) for s, w in _places(context)}
    for one, two in itertools.pairwise(covered):
        assert len(one & two) == 6
    for window, (start, end, _) in zip(windows, split.labels, strict=True):
        if start == window.null:
            assert end == window.null
        else:
            assert context[window.spans[start][0] : window.spans[end][1]] == "good bad poor"
    assert sum(label[0] != window.null for window, label in zip(windows, split.labels, strict=True)) >= 1
    assert split.at_limit == 0


def _places(text):
    start = 0
    for word in text.split():
        start = text.index(word, start)
        yield start, word
        start += len(word)


def test_losses_are_start_plus_end_over_real_tokens():
    split = split_of(("was it", CONTEXT, [at("dull")]), ("was it", "the film was good", [(13, "good")]))
    torch.manual_seed(0)
    both = split.batch([0, 1])
    logits = torch.randn(2, both.labels.shape[1], 2)
    losses = KIND.losses(logits, both.labels)
    for row in (0, 1):
        start, end, length = split.labels[row]
        own = torch.log_softmax(logits[row, :length], 0)
        torch.testing.assert_close(losses[row], -(own[start, 0] + own[end, 1]))
        assert KIND.feed.targets(both.labels)["start_positions"][row] == start
        assert KIND.feed.targets(both.labels)["end_positions"][row] == end
    assert torch.isfinite(losses).all()


class Oracle(torch.nn.Module):
    """Says where an answer is, by token id; ``null`` is what it gives the first token."""

    def __init__(self, tokenizer, start, end, null=0.0):
        super().__init__()
        self.ids = [tokenizer.convert_tokens_to_ids(word) for word in (start, end)]
        self.null = null

    def forward(self, input_ids, **_):
        sides = [(input_ids == wanted).float() * 5 for wanted in self.ids]
        for side in sides:
            side[:, 0] = self.null
        return {"start_logits": sides[0], "end_logits": sides[1]}


def test_the_best_span_over_all_windows_is_the_answer():
    context = " ".join([*WORDS * 3, "is", *WORDS])
    split = split_of(("good", context, [at("is", context)]))
    assert len(split) > 2
    found = split.evaluate(Oracle(split.tokenizer, "is", "is"))
    assert found.predictions.tolist() == ["is"]
    assert found.score == 100
    assert len(found.losses) == len(split)
    assert len(found.predictions) == 1


def test_an_answer_ends_after_it_starts_and_is_not_too_long():
    split = split_of(("so", CONTEXT, [at("bright")]))
    assert split.evaluate(Oracle(split.tokenizer, "weak", "bright")).predictions[0] not in ("", "weak bright")
    split = split_of(("so", CONTEXT, [at("bright")]), max_answer_tokens=3)
    assert len(split.evaluate(Oracle(split.tokenizer, "film", "poor")).predictions[0].split()) <= 3


@pytest.mark.parametrize(
    ("null", "threshold", "expected"),
    [
        (0.0, None, "dull"),
        (99.0, None, "dull"),
        (0.0, 0.0, "dull"),
        (99.0, 0.0, ""),
        (5.5, 0.0, ""),
        (5.5, 2.0, "dull"),
    ],
)
def test_no_answer_where_its_score_exceeds_the_best_spans_by_the_threshold(null, threshold, expected):
    split = split_of(("so", CONTEXT, [at("dull")]), no_answer_threshold=threshold)
    found = split.evaluate(Oracle(split.tokenizer, "dull", "dull", null))  # the span scores 10, no answer 2 * null
    assert found.predictions[0] == expected


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("the Cat!", ("cat",), 1, 1),
        ("a cat", ("the cat",), 1, 1),
        ("Theory", ("ory",), 0, 0),  # an article is a whole word
        ("big cat", ("cat",), 0, 2 / 3),
        ("cat", ("dog", "big cat"), 0, 2 / 3),  # the best of several golds
        ("U.S.", ("US",), 1, 1),
        ("well-known", ("well known",), 0, 0),  # a hyphen goes, and leaves no space
        ("cat cat", ("cat",), 0, 2 / 3),
        ("  cat \n dog ", ("cat dog",), 1, 1),
        ("", (), 1, 1),
        ("cat", (), 0, 0),
        ("", ("cat",), 0, 0),
        ("the", (), 1, 1),  # normalises to nothing
        ("", ("the",), 1, 1),  # so does the gold: it counts as none
        ("cat", ("the", "cat"), 1, 1),  # and another gold is left
        ("an apple a day", ("apple day",), 1, 1),
        ("cat dog", ("dog cat",), 0, 1),  # F1 knows no order
        ("1,000", ("1000",), 1, 1),
        ("$5", ("5",), 1, 1),
        ("Cat's", ("cats",), 1, 1),
        ("\u201ccat\u201d", ("cat",), 0, 0),  # only ASCII punctuation goes
        ("cat\u00a0dog", ("cat dog",), 1, 1),  # a space that does not break is a space
        ("the big cat sat", ("a cat", "big cat"), 0, 4 / 5),
        ("\u00c9cole", ("\u00e9cole",), 1, 1),
    ],
)
def test_scores_as_the_official_script_has_them(prediction, golds, exact, f1):
    gold = np.empty(1, dtype=object)
    gold[:] = [golds]
    assert squad.exact_match([prediction], gold) == pytest.approx(100 * exact)
    assert squad.f1([prediction], gold) == pytest.approx(100 * f1)


def rows(n, answers):
    return [{"id": str(i), "q": f"what {i}", "c": f"{i // 3} is the story", "a": answers} for i in range(n)]


def load(train, **fields):
    return load_rows(Task("t", spec(**fields), lambda: {"train": train, "test": train[:3]}), Samples())


def test_questions_on_one_context_stay_together():
    loaded = load(rows(300, {"text": [], "answer_start": []}), no_answer_threshold=0.0)
    train, search = ({text[1] for text in loaded.splits[name].texts} for name in ("train", "search"))
    assert search
    assert not train & search


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"text": ["x"], "answer_start": [0]}, "does not hold the answer 'x' at character 0"),
        ({"text": [""], "answer_start": [0]}, "does not hold the answer ''"),
        ({"text": [], "answer_start": []}, "the question has no answer; give the task a 'no_answer_threshold'"),
        ("story", "is no answer with text and answer_start"),
        (None, "is no answer with text and answer_start"),
    ],
)
def test_wrong_answers_are_one_sentence(answers, fault):
    with pytest.raises(DataError, match=fault):
        load(rows(30, answers))


def test_both_shapes_of_answers_read_alike():
    flat = [{"text": "story", "answer_start": 9}]
    nested = {"text": ["story"], "answer_start": [9]}
    one, two = (load(rows(30, answers)).splits["train"].labels.tolist() for answers in (flat, nested))
    assert one == two
    assert one[0] == ((9, "story"),)


def test_a_stride_that_leaves_no_room_is_refused():
    with pytest.raises(DataError, match="a stride of 40 leaves no room in windows of 30 tokens"):
        split_of(("so", CONTEXT, [at("dull")]), stride=40)


def test_a_recipe_names_two_columns():
    with pytest.raises(RecipeError, match="takes two text columns"):
        resolve({"kind": "question_answering", "text": "q", "label": "a", "hub": "x"}, lambda _: "here")

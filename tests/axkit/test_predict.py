"""``predict`` by the kind of task: what each of the six says, of run folders and of checkpoints from elsewhere."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from conftest import folder_of

from axkit.cli import app as cli
from axkit.finished.use import predict
from axkit.ground.errors import CheckpointError, DataError
from axkit.testing import tiny_tokenizer

TEXT = "the film was good"


def answer(module, *texts):
    with torch.inference_mode():
        return module(**tiny_tokenizer()(*texts, return_tensors="pt"))


def told(*arguments):
    done = CliRunner().invoke(cli.cli, ["predict", *map(str, arguments)])
    assert done.exception is None, done.exception
    return done.stdout.splitlines(), done.stderr


def test_one_output_without_problem_type_is_a_score(tmp_path):
    module = folder_of(tmp_path / "m", num_labels=1)
    assert json.loads((tmp_path / "m" / "config.json").read_text()).get("problem_type") is None, "premise"
    found = predict(tmp_path / "m", TEXT)
    assert found == {"score": pytest.approx(float(answer(module, TEXT).logits), abs=1e-5)}
    assert predict(tmp_path / "m", "dull") != found
    assert told(tmp_path / "m", TEXT)[0] == [f"score\t{found['score']:.4f}"]
    pair = predict(tmp_path / "m", TEXT, "dull")
    assert pair == {"score": pytest.approx(float(answer(module, TEXT, "dull").logits), abs=1e-5)}


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({}, lambda logits: logits.softmax(-1)),
        ({"problem_type": "single_label_classification"}, lambda logits: logits.softmax(-1)),
        ({"problem_type": "multi_label_classification"}, lambda logits: logits.sigmoid()),
        ({"problem_type": "regression"}, lambda logits: logits),
    ],
)
def test_several_outputs_go_by_problem_type(settings, shares, tmp_path):
    names = ("a", "b", "c")
    module = folder_of(tmp_path / "m", id2label=dict(enumerate(names)), num_labels=3, **settings)
    expected = dict(zip(names, shares(answer(module, TEXT).logits[0]).tolist(), strict=True))
    assert predict(tmp_path / "m", TEXT) == pytest.approx(expected, abs=1e-5)
    lines, _ = told(tmp_path / "m", TEXT)
    assert [line.split("\t")[0] for line in lines] == sorted(names, key=lambda name: -expected[name])


def test_one_of_several_labels_alone_is_a_probability(tmp_path):
    module = folder_of(tmp_path / "m", num_labels=1, problem_type="multi_label_classification")
    share = float(answer(module, TEXT).logits.sigmoid())
    assert predict(tmp_path / "m", TEXT) == {"LABEL_0": pytest.approx(share, abs=1e-5)}


def test_the_kind_that_a_folder_tells_goes_before_its_config(tmp_path):
    module = folder_of(tmp_path / "m", about={"task": "somebody/elses", "kind": "multi_label"}, num_labels=2)
    shares = answer(module, TEXT).logits[0].sigmoid().tolist()
    assert list(predict(tmp_path / "m", TEXT).values()) == pytest.approx(shares, abs=1e-5)
    folder_of(tmp_path / "odd", about={"task": "somebody/elses", "kind": "question_answering"}, num_labels=2)
    assert sum(predict(tmp_path / "odd", TEXT).values()) == pytest.approx(1), "of another head: not believed"


def test_words_and_their_tags(tmp_path):
    names = ("O", "B-PER", "I-PER")
    module = folder_of(tmp_path / "m", "TokenClassification", id2label=dict(enumerate(names)), num_labels=3)
    text = "the good film was dull"
    shares = answer(module, text).logits[0, 1:-1].softmax(-1)
    found = predict(tmp_path / "m", text)
    assert [one["word"] for one in found] == text.split()
    assert [one["tag"] for one in found] == [names[i] for i in shares.argmax(-1).tolist()]
    assert [one["probability"] for one in found] == pytest.approx(shares.max(-1).values.tolist(), abs=1e-5)
    lines, _ = told(tmp_path / "m", text)
    assert lines == [f"{one['word']}\t{one['tag']}\t{one['probability']:.4f}" for one in found]
    with pytest.raises(DataError, match="one text at a time; leave the second argument off"):
        predict(tmp_path / "m", text, "more")


def test_words_beyond_the_limit_are_outside_and_that_is_told(tmp_path):
    folder_of(tmp_path / "m", "TokenClassification", id2label={0: "B-X", 1: "O"}, num_labels=2)
    found = predict(tmp_path / "m", "good " * 70)
    assert len(found) == 70
    assert [one["probability"] is None for one in found] == [i >= 58 for i in range(70)]
    assert found[69]["tag"] == "O"
    lines, errors = told(tmp_path / "m", "good " * 70)
    assert lines[69] == "good\tO\t-"
    assert errors == "note: the text is longer than the 60 tokens that are read; the rest was left out\n"


def test_a_long_text_is_cut_as_the_task_cuts_it_and_that_is_told(tmp_path):
    task = {"kind": "classification", "hub": "x", "text": "s", "label": "y", "max_length": 12}
    folder_of(
        tmp_path / "own", about={"task": task, "kind": "classification"}, problem_type="single_label_classification"
    )
    text = "good film was dull so the play was fine and bright"
    assert told(tmp_path / "own", text)[1].startswith("note: the text is longer than the 12 tokens")
    assert predict(tmp_path / "own", text) == predict(tmp_path / "own", " ".join(text.split()[:10]))
    assert told(tmp_path / "own", " ".join(text.split()[:10]))[1] == "", "exactly as long is not too long"
    with pytest.raises(DataError, match="one text at a time"):
        predict(tmp_path / "own", text, "more")
    pairs = task | {"text": ["s", "t"]}
    folder_of(tmp_path / "pairs", about={"task": pairs}, problem_type="single_label_classification")
    with pytest.raises(DataError, match="is for pairs of texts; give two"):
        predict(tmp_path / "pairs", text)
    assert len(predict(tmp_path / "pairs", "good", "bad")) == 2


CONTEXT = "the film was good and the play was dull but the story is great"


def test_an_answer_its_place_and_its_score(tmp_path):
    module = folder_of(tmp_path / "m", "QuestionAnswering")
    found = predict(tmp_path / "m", "so", CONTEXT)
    out = answer(module, "so", CONTEXT)
    words, shares = CONTEXT.split(), [x[0].softmax(-1) for x in (out.start_logits, out.end_logits)]
    first = 3  # [CLS] so [SEP]
    spans = {
        (i, j): float(shares[0][first + i] * shares[1][first + j])
        for i in range(len(words))
        for j in range(i, len(words))
    }
    (start, end), best = max(spans.items(), key=lambda one: one[1])
    assert found["answer"] == " ".join(words[start : end + 1])
    assert CONTEXT[found["start"] :].startswith(found["answer"])
    assert found["score"] == pytest.approx(best, abs=1e-5)
    assert told(tmp_path / "m", "so", CONTEXT)[0] == [f"{found['answer']}\t{best:.4f}"]
    long = predict(tmp_path / "m", "so", " ".join([CONTEXT] * 9))
    assert long["answer"], "in windows"
    with pytest.raises(DataError, match="is for a question and its context; give two"):
        predict(tmp_path / "m", "so")


def test_no_answer_where_the_task_allows_it(tmp_path):
    task = {"kind": "question_answering", "hub": "x", "text": ["q", "c"], "label": "a", "max_length": 40, "stride": 8}
    for name, threshold in (("never", None), ("always", -1e6)):
        about = {"task": task | {"no_answer_threshold": threshold}}
        folder_of(tmp_path / name, "QuestionAnswering", about=about)
    assert predict(tmp_path / "never", "so", CONTEXT)["answer"]
    silent = predict(tmp_path / "always", "so", CONTEXT)
    assert (silent["answer"], silent["start"]) == ("", None)
    assert 0 < silent["score"] <= 1
    assert told(tmp_path / "always", "so", CONTEXT)[0] == [f"(no answer)\t{silent['score']:.4f}"]


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
def test_images_go_by_problem_type_too(problem, tmp_path):
    from PIL import Image

    folder_of(tmp_path / "m", "ImageClassification", family="vit", problem_type=problem)
    Image.new("RGB", (20, 20), (200, 10, 90)).save(tmp_path / "one.png")
    shares = predict(tmp_path / "m", str(tmp_path / "one.png"))
    assert (sum(shares.values()) == pytest.approx(1)) == (problem is None)
    (tmp_path / "torn.png").write_bytes((tmp_path / "one.png").read_bytes()[:60])
    with pytest.raises(DataError, match="image"):
        predict(tmp_path / "m", str(tmp_path / "torn.png"))
    with pytest.raises(DataError, match="one image at a time"):
        predict(tmp_path / "m", "a", "b")


def test_an_image_model_with_one_output_scores(tmp_path):
    from PIL import Image

    folder_of(tmp_path / "m", "ImageClassification", family="vit", num_labels=1)
    Image.new("RGB", (20, 20), (200, 10, 90)).save(tmp_path / "one.png")
    assert set(predict(tmp_path / "m", str(tmp_path / "one.png"))) == {"score"}


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_text_is_refused(text, tmp_path):
    folder_of(tmp_path / "m")
    with pytest.raises(DataError, match="an empty text says nothing"):
        predict(tmp_path / "m", text)


def test_a_model_without_a_head_is_refused(tmp_path):
    folder_of(tmp_path / "m", "MaskedLM")
    with pytest.raises(CheckpointError, match="holds a BertForMaskedLM, which answers none of axkit's kinds of task"):
        predict(tmp_path / "m", TEXT)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        predict(tmp_path / "nowhere", TEXT)

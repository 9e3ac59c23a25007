"""Rows without labels: every kind of task through planning, a search, the report and what is asked of the result."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from conftest import write_images

from axkit.anatomy.family import family_of
from axkit.finished import use as using
from axkit.ground import stopwatch
from axkit.ground.errors import DataError, RecipeError
from axkit.ground.quiet import quiet
from axkit.report import write_run
from axkit.run.engine import apply
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.run.report import read_report
from axkit.run.verdict import scored_lines
from axkit.sweep.table import figures_of
from axkit.tasks.kinds.kind import our_kinds
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.split import Split
from axkit.tasks.unlabelled import Answers
from axkit.testing import tiny_model, tiny_reader

WORDS = "the film play story dull bright is was very and so good bad".split()
RECIPE = """\
axkit: 1
name: tiny
model: model
task:
  kind: {kind}
  files: {{train: {train}, test: {test}}}
  labels: none
{fields}
passes:
{passes}
"""
PRUNE = "  - {pass: axformer_prune, objective: budget, size: 1.15, max_drop: 100}"
BUDGETED = f"{PRUNE}\n  - {{pass: structured, ratio: 0.1, importance: fisher, rows: 16}}"
TEXT, WHOLE = "  text: text", "\n  - {pass: int8}"
TAGS = ("O", "B-GOOD", "I-GOOD")
NAMES = {"num_labels": 3, "id2label": dict(enumerate(TAGS)), "label2id": {tag: i for i, tag in enumerate(TAGS)}}
CASES = {  # kind -> head, settings of the model, fields of the task, what the metric is told as
    "classification": ("SequenceClassification", {}, f"{TEXT}\n  metric: [accuracy, f1_per_class]", "agreement"),
    "regression": ("SequenceClassification", {"num_labels": 1}, TEXT, "agreement_pearson"),
    "multi_label": ("SequenceClassification", {"num_labels": 3}, f"{TEXT}\n  metric: exact", "agreement"),
    "token_classification": ("TokenClassification", NAMES, "  text: words", "agreement_entity_f1"),
    "question_answering": (
        "QuestionAnswering", {}, "  text: [q, c]\n  max_length: 32\n  stride: 8\n  metric: [f1, exact_match]",
        "agreement_f1",
    ),
    "image_classification": (None, {}, "  image: image", "agreement"),
}  # fmt: skip


def priced(_, module, *__):
    """A machine on which time is arithmetic: a module costs its parameters."""
    return stopwatch.Taken(sum(p.numel() for p in module.parameters()) / 1e6, 0.0)


def row(draw):
    words = [draw.choice(WORDS) for _ in range(draw.randint(5, 30))]
    return {"text": " ".join(words), "words": words, "q": "not poor", "c": " ".join(words)}


def recipe(kind, fields=TEXT, passes=PRUNE, suffix=".jsonl"):
    text = RECIPE.format(kind=kind, train=f"train{suffix}", test=f"test{suffix}", fields=fields, passes=passes)
    return read_source(text, "recipe.yaml")


@pytest.fixture
def case(tmp_path, monkeypatch):
    """A kind -> its recipe, in a folder with a model that has a head, and with rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(stopwatch, "taken", priced)

    def made(kind, passes=PRUNE):
        head, settings, fields, _ = CASES[kind]
        family = family_of("bert" if head else "vit")
        with quiet():
            tiny_model(family, 1, head, **settings).save_pretrained(tmp_path / "model")
        tiny_reader(family).save_pretrained(tmp_path / "model")
        for name, count in (("train", 60), ("test", 30)):
            draw = random.Random(count)
            if head is None:
                write_images(tmp_path / name, count, count)
            else:
                (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row(draw))}\n" for _ in range(count)))
        return recipe(kind, fields, passes, ".jsonl" if head else "")

    return made


def test_no_kind_is_left_out():
    assert set(CASES) == set(our_kinds())


@pytest.mark.parametrize("kind", CASES)
def test_a_kind_without_labels_is_cut_and_held_against_the_dense_models_answers(case, tmp_path, kind):
    made = plan(case(kind))
    run = apply(made, tmp_path / "runs")
    write_run(run, tmp_path / "runs" / "out")
    text, report = (tmp_path / "runs" / "out" / "report.md").read_text(), read_report(tmp_path / "runs" / "out")
    quality, searched = report.summary.quality, report.summary.searched
    assert (quality.metric_name, quality.unlabelled) == (CASES[kind][-1], True)
    assert not run.subject.structure.is_dense
    assert quality.dense.points == searched.dense.score == pytest.approx(100)
    assert quality.dense.loss_nats == searched.dense.loss_nats == pytest.approx(0, abs=1e-6)
    assert quality.result.loss_nats > 1e-6
    assert quality.result.points < 100 - 1e-9 or kind in ("classification", "image_classification", "multi_label")
    assert set(run.answers.words) == {"another answer"}, "neither right nor wrong"
    assert all(not side.bins for side in (run.answers.dense, run.answers.result)), "no calibration"
    told = set(quality.result.metrics)
    assert all(one.startswith("agreement") for one in told)
    assert "The rows have no labels" in text
    assert "Dense is the model as it came" in text
    assert f"Test {CASES[kind][-1]} with the dense model {quality.result.points:.2f} (95 % interval" in text
    assert "chance would explain" not in text
    assert "accuracy" not in text.partition("## Recipe")[0]
    assert figures_of(report.summary).metric_dense == pytest.approx(100)
    scored = using.evaluate(tmp_path / "runs" / "out")
    assert scored.score == pytest.approx(quality.result.points)
    assert scored.others["divergence"] == pytest.approx(quality.result.loss_nats, abs=1e-5)
    assert "dense" in scored.answers_of
    lines = scored_lines(scored, "test", scored.answers_of)
    assert f"test divergence {scored.others['divergence']:.4f}" in lines
    assert not any(line.startswith("Against") for line in lines), "it agrees with itself"


def test_answers_are_what_the_model_says_and_agree_with_it_alone(case):
    made = plan(case("question_answering"))
    kind, model = KINDS["question_answering"], tiny_model(family_of("bert"), 1, "QuestionAnswering")
    rows = made.rows.splits["test"]
    split = Split(rows, made.task.spec, kind, tiny_reader(family_of("bert")), 60)
    answers = Answers.of(model, split)
    held = answers.asked_of(Split(answers.as_labels(rows), made.task.spec, kind, split.tokenizer, 60))
    found = held.evaluate(model)
    assert found.score == pytest.approx(100)
    assert np.abs(found.losses).max() < 1e-5
    for (_, context), label in zip(rows.texts, answers.labels, strict=True):
        assert all(context[first : first + len(text)] == text for first, text in label)
    other = held.evaluate(tiny_model(family_of("bert"), 2, "QuestionAnswering"))
    assert other.loss > 0.01
    assert other.score < 100


def test_a_divergence_is_the_kinds_own_between_the_two_models_answers(case):
    made = plan(case("token_classification"))
    kind, rows = KINDS["token_classification"], made.rows.splits["test"]
    one, other = (tiny_model(family_of("bert"), seed, "TokenClassification", **NAMES) for seed in (1, 2))
    split = Split(rows, made.task.spec, kind, tiny_reader(family_of("bert")), 60)
    held = Answers.of(one, split).asked_of(split)
    batch = held.batch(range(len(held)))
    with torch.inference_mode():
        hand = kind.soft_losses(other(**batch.inputs).logits, one(**batch.inputs).logits, batch.labels, 1.0)
    assert held.evaluate(other).losses == pytest.approx(hand.double().numpy(), abs=1e-5)


def test_a_gradient_goes_by_the_answers_and_eight_bits_need_no_label(case, tmp_path):
    run = apply(plan(case("classification", BUDGETED + WHOLE)), tmp_path / "runs")
    assert [stage.record.applied.name for stage in run.stages] == ["axformer_prune", "structured", "int8"]
    assert run.summary.quality.result.loss_nats > 0
    rows = run.plan.rows.splits["train"]
    assert set(rows.labels.tolist()) == {0}, "premise: what was read holds no label"


@pytest.mark.parametrize(
    ("passes", "sentence"),
    [
        ("  - {pass: finetune}", "'finetune' learns from labels, and task 'files' has none; leave it out, and give a"),
        (
            "  - {pass: axformer_prune, objective: budget, size: 1.2, recover: {pass: finetune}}",
            "'axformer_prune' runs 'finetune', which learns from labels",
        ),
        ("  - {pass: axformer_prune}", "'axformer_prune' asks for better answers than the dense model's"),
        ("  - {pass: hard_attention}", "'hard_attention' asks for better answers"),
    ],
)
def test_what_labels_alone_teach_or_decide_is_refused_in_the_plan(case, passes, sentence):
    with pytest.raises(RecipeError, match=sentence):
        plan(case("classification", passes))


def test_other_tokens_are_refused_where_each_token_is_held_against_an_answer(case):
    with pytest.raises(RecipeError, match="'vocab' cuts texts into other tokens, and without labels token_class"):
        plan(case("token_classification", "  - {pass: vocab}"))
    plan(case("classification", "  - {pass: vocab}"))


def test_training_towards_the_dense_model_is_no_training_on_labels(case):
    plan(case("classification", f"{PRUNE}\n  - {{pass: distill}}"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (f"{TEXT}\n  label: tags", "has 'label' beside 'labels: none'"),
        (f"{TEXT}\n  label_map: {{a: b}}", "has 'label_map' beside 'labels: none'"),
    ],
)
def test_a_task_has_labels_or_none(case, fields, sentence):
    case("classification")
    with pytest.raises(RecipeError, match=sentence):
        plan(recipe("classification", fields))


def test_a_task_that_says_nothing_of_labels_is_told_both_ways(case):
    case("classification")
    source = read_source(
        RECIPE.format(kind="classification", train="train.jsonl", test="test.jsonl", fields=TEXT, passes=PRUNE).replace(
            "  labels: none\n", ""
        ),
        "recipe.yaml",
    )
    with pytest.raises(RecipeError, match="needs 'label', the column of the label; or 'labels: none'"):
        plan(source)


def test_a_model_without_a_head_answers_nothing(case, tmp_path):
    source = case("classification")
    with quiet():
        tiny_model(family_of("bert")).base_model.save_pretrained(tmp_path / "model")
    with pytest.raises(DataError, match="no trained head whose answers could stand in their place"):
        plan(source).read()


def test_without_the_dense_model_nothing_can_be_held_against_it(case, tmp_path):
    case("classification")
    with pytest.raises(DataError, match="has no labels, and the dense model of model, whose"):
        using.evaluate("model", dict(recipe("classification").recipe.task))
    found = using.evaluate("model", dict(recipe("classification").recipe.task), against="model")
    assert (found.score, found.others["divergence"]) == (pytest.approx(100), pytest.approx(0, abs=1e-6))
    assert tmp_path.exists()

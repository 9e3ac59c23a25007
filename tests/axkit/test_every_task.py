"""Every kind of task through the whole house: fine-tune, hard attention, prune, int8, save, reload, evaluate."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from conftest import write_images
from pages import faults

from axkit.anatomy.family import family_of
from axkit.finished import use as using
from axkit.ground.quiet import quiet
from axkit.report import write_run
from axkit.run.engine import apply
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.tasks.kinds.kind import our_kinds
from axkit.testing import tiny_model, tiny_reader

WORDS = "the film play story dull bright is was very and so".split()
RECIPE = """\
axkit: 1
name: tiny
model: model
task:
{task}
passes:
  - pass: finetune
    epochs: {epochs}
    learning_rate: 3e-3
    batch_size: 16
  - pass: hard_attention
    k: 5
  - pass: axformer_prune
    tolerance: 0.2
  - pass: int8
"""


def one(draw):
    words = [draw.choice(WORDS) for _ in range(draw.randint(3, 9))]
    label = draw.choice(["good", "bad"])
    return {"text": " ".join([*words, label]), "label": label}


def score(draw):
    words = [draw.choice([*WORDS, "great", "great"]) for _ in range(draw.randint(4, 10))]
    return {"text": " ".join(words), "score": words.count("great") / 2}


def tokens(draw):
    words = [draw.choice([*WORDS, "good", "bad"]) for _ in range(draw.randint(4, 10))]
    return {"words": words, "tags": [{"good": "B-GOOD", "bad": "B-BAD"}.get(word, "O") for word in words]}


def several(draw):
    words = [draw.choice([*WORDS, "good", "weak"]) for _ in range(draw.randint(4, 10))]
    return {"text": " ".join(words), "labels": [label for label in ("good", "weak") if label in words]}


def answers(draw):
    words = [draw.choice(WORDS) for _ in range(draw.randint(6, 40))]
    place = draw.randrange(len(words) + 1)
    words.insert(place, "great")
    context = " ".join(words)
    return {"q": "not poor", "c": context, "a": {"text": ["great"], "answer_start": [context.index("great")]}}


KINDS = {
    "classification": (one, "  text: text\n  label: label\n  metric: [accuracy, matthews]\n", 8, "accuracy"),
    "regression": (score, "  text: text\n  label: score\n  metric: [pearson, spearman]\n", 20, "pearson"),
    "image_classification": (None, "  image: image\n  label: label\n", 6, "accuracy"),
    "token_classification": (tokens, "  text: words\n  label: tags\n", 20, "entity_f1"),
    "multi_label": (several, "  text: text\n  label: labels\n  metric: [f1_micro, exact]\n", 12, "f1_micro"),
    "question_answering": (
        answers, "  text: [q, c]\n  label: a\n  max_length: 32\n  stride: 8\n  metric: [f1, exact_match]\n", 15, "f1",
    ),
}  # fmt: skip


ASKED = {
    "classification": (("so the film was good",), lambda found: set(found) == {"good", "bad"}),
    "regression": (("good good good",), lambda found: set(found) == {"score"}),
    "image_classification": (("test/light/1.png",), lambda found: set(found) == {"dark", "light"}),
    "token_classification": (("good film",), lambda found: [one["word"] for one in found] == ["good", "film"]),
    "multi_label": (("the film was good",), lambda found: set(found) == {"good", "weak"}),
    "question_answering": (
        ("not poor", "the film is great but dull"),
        lambda found: found["answer"] in "the film is great but dull",
    ),
}


def write_vit(folder):
    shutil.rmtree(folder, ignore_errors=True)
    with quiet():
        tiny_model(family_of("vit")).base_model.save_pretrained(folder)
    tiny_reader(family_of("vit")).save_pretrained(folder)


def test_no_kind_is_left_out():
    assert set(KINDS) == set(our_kinds())


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_task_through_the_whole_house(workplace, kind):
    make, fields, epochs, metric = KINDS[kind]
    suffix = ".jsonl" if make else ""
    for name, count in (("train", 160), ("test", 50)):
        draw = random.Random(count)
        if make:
            rows = "".join(json.dumps(make(draw)) + "\n" for _ in range(count))
            (workplace / f"{name}.jsonl").write_text(rows)
        else:
            write_images(workplace / name, count, count)
            write_vit(workplace / "model")
    task = f"  kind: {kind}\n  files: {{train: train{suffix}, test: test{suffix}}}\n{fields}"
    made = plan(read_source(RECIPE.format(task=task, epochs=epochs), "recipe"))
    run = apply(made, workplace / "runs")
    report = write_run(run, workplace / "out").to_json()
    summary, text = report["summary"], (workplace / "out" / "report.md").read_text()
    assert summary["metric_name"] == metric
    learned = summary["metric_majority"] + 20
    assert summary["metric_dense"] > learned, "premise: the tiny model has learned its task"
    assert summary["metric_result"] > learned
    assert summary["metric_result_low"] <= summary["metric_result"] <= summary["metric_result_high"]
    assert set(summary["metrics_dense"]) == set(summary["metrics_result"]) == set(made.task.spec.metric_names)
    scored = using.evaluate(workplace / "out")
    assert scored.score == pytest.approx(summary["metric_result"]), "reloaded it scores as it did"
    assert json.loads((workplace / "out" / "axkit.json").read_text())["about"]["kind"] == kind
    assert ASKED[kind][1](using.predict(workplace / "out", *ASKED[kind][0])), "asked, it answers in its kind"
    assert [stage["pass"] for stage in report["stages"]] == ["finetune", "hard_attention", "axformer_prune", "int8"]
    assert summary["bytes_result"] < summary["bytes_dense"]
    assert faults((workplace / "out" / "report.html").read_text(encoding="utf-8")) == []
    seen = report["answers"]
    assert seen["rows"] == 50
    assert len(seen["moved"]) == sum(seen["counts"])
    shares = [share for one in run.answers.moved for share in (one.dense_confidence, one.result_confidence)]
    assert all(share is None if kind == "regression" else 0 < share <= 1 for share in shares)
    assert (run.answers.result.decisions >= 50) == (kind != "regression"), "each kind says how sure it is"
    assert "whose input also stands in another split" in text or "No row of one split also stands in another." in text
    assert run.stages[1].record.told.facts["search_loss_before_nats"] > 0
    if kind == "multi_label":
        inputs = run.subject.reader("the film was good and weak", return_tensors="pt")
        shares = run.subject.module(**inputs).logits[0].sigmoid().tolist()
        found = using.predict(workplace / "out", "the film was good and weak")
        assert found == pytest.approx(dict(zip(("good", "weak"), shares, strict=True)), abs=1e-4)

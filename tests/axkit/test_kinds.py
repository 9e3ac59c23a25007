"""Every kind of task through the whole house: recipe, training, search, int8, report, folder, evaluation."""

from __future__ import annotations

import json
import random

import pytest

from axkit import using
from axkit.engine import apply
from axkit.planning import plan
from axkit.recipe import read_source
from axkit.report import write_run

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
    "token_classification": (tokens, "  text: words\n  label: tags\n", 20, "entity_f1"),
    "multi_label": (several, "  text: text\n  label: labels\n  metric: [f1_micro, exact]\n", 12, "f1_micro"),
    "question_answering": (
        answers, "  text: [q, c]\n  label: a\n  max_length: 32\n  stride: 8\n  metric: [f1, exact_match]\n", 15, "f1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_task_through_the_whole_house(workplace, kind):
    make, fields, epochs, metric = KINDS[kind]
    for name, count in (("train", 160), ("test", 50)):
        draw = random.Random(count)
        rows = "".join(json.dumps(make(draw)) + "\n" for _ in range(count))
        (workplace / f"{name}.jsonl").write_text(rows)
    task = f"  kind: {kind}\n  files: {{train: train.jsonl, test: test.jsonl}}\n{fields}"
    made = plan(read_source(RECIPE.format(task=task, epochs=epochs), "recipe"))
    run = apply(made, workplace / "runs")
    summary = write_run(run, workplace / "out")["summary"]
    assert summary["metric_name"] == metric
    assert summary["metric_result"] > summary["metric_majority"] + 20
    assert summary["metric_result_low"] <= summary["metric_result"] <= summary["metric_result_high"]
    assert set(summary["metrics_dense"]) == set(summary["metrics_result"]) == set(made.task.spec.metric_names)
    scored = using.evaluate(workplace / "out")
    assert scored.score == pytest.approx(summary["metric_result"])
    assert run.stages[1].record["facts"]["search_loss_before_nats"] > 0
    if kind == "multi_label":
        inputs = run.tokenizer("the film was good and weak", return_tensors="pt")
        shares = run.subject.module(**inputs).logits[0].sigmoid().tolist()
        found = using.predict(workplace / "out", "the film was good and weak")
        assert found == pytest.approx(dict(zip(("good", "weak"), shares, strict=True)), abs=1e-4)

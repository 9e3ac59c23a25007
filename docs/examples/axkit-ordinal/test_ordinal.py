import itertools
import json
import random

import axkit_ordinal
import numpy as np
import pytest
from axkit_ordinal.compute import Grades, Ordinal

import axkit
from axkit import apply, plan
from axkit.cli.app import cli
from axkit.finished.use import evaluate, predict
from axkit.kit.kinds import SplitRows
from axkit.report import write_run
from axkit.run.recipe import read_source
from axkit.testing import check_kind, tiny_model, tiny_tokenizer

STARS = ["one", "two", "three", "four"]
RECIPE = """\
axkit: 1
name: tiny
model: model
task:
  kind: ordinal
  files: {train: train.jsonl, test: test.jsonl}
  text: review
  label: stars
  label_names: [one, two, three, four]
  metric: [within_one, accuracy, steps_off]
passes:
  - {pass: finetune, epochs: 12, learning_rate: 3e-3, batch_size: 16}
  - {pass: axformer_prune, tolerance: 0.2}
  - pass: int8
"""


def rows(count, seed=0):
    """The more often a review says great, the more stars."""
    draw, made = random.Random(seed), []
    for _ in range(count):
        stars = draw.randrange(4)
        words = ["great"] * stars + draw.choices(["film", "play", "was", "so", "dull"], k=draw.randint(2, 8))
        draw.shuffle(words)
        made.append({"review": " ".join(words), "stars": STARS[stars]})
    return made


def test_it_keeps_the_contract_of_kinds():
    check_kind("ordinal", rows(24), text="review", label="stars", label_names=STARS)


def test_probabilities_are_those_of_the_thresholds():
    import torch

    asked = SplitRows([("so",)], np.zeros(1, np.int64), tuple(STARS))
    said = Grades().said([torch.tensor([2.0, 0.0, 1.0])], None, None, asked)
    above = [1, 0.8808, 0.5, 0.5, 0]  # the third threshold is not passed more easily than the second
    assert list(said.values()) == pytest.approx([a - b for a, b in itertools.pairwise(above)], abs=1e-4)
    assert Ordinal().predictions(torch.tensor([[2.0, 1.0, -1.0], [-1.0, -2.0, -3.0]]), None) == [2, 0]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tiny_model(axkit.family_of("bert")).base_model.save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    for name, count in (("train", 240), ("test", 60)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(count, count)))
    return tmp_path


def test_planned_made_smaller_scored_and_asked(workplace):
    made = plan(read_source(RECIPE, "recipe"))
    summary = write_run(apply(made, "runs"), workplace / "out").to_json()["summary"]
    assert summary["metric_dense"] > summary["metric_constant"] + 5, "premise: the tiny model has learned"
    assert set(summary["metrics_result"]) == {"within_one", "accuracy", "steps_off"}
    assert summary["metrics_result"]["steps_off"] < 1.5
    scored = evaluate("out")
    assert scored.score == pytest.approx(summary["metric_result"])
    assert scored.others == pytest.approx({k: v for k, v in summary["metrics_result"].items() if k != "within_one"})
    low, high = (predict("out", text) for text in ("film was so", "great film great so great"))
    assert list(low) == STARS
    assert sum(low.values()) == pytest.approx(1, abs=1e-4)
    assert max(high, key=high.get) in ("three", "four")
    assert max(low, key=low.get) in ("one", "two")


def test_kinds_and_their_names_are_told(workplace):
    from click.testing import CliRunner

    (workplace / "recipe.yaml").write_text(RECIPE)
    told = CliRunner().invoke(cli, ["plan", "recipe.yaml"])
    assert told.exit_code == 0, told.output
    assert "ordinal, within_one" in told.output
    assert "one: " in told.output, "how often each class stands there"
    assert axkit_ordinal.KIND.metrics[0].name == "accuracy"

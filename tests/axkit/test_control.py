"""Whose gain it is: the same training without the cuts, run through the same stages and told beside the result."""

from __future__ import annotations

import pytest
from conftest import Heard
from records import CONTROL, NONE, quality, summary

from axkit import apply
from axkit.report.words import control_lines, headline
from axkit.run.control import control_of, foreseen, wanted
from axkit.run.planning import plan
from axkit.run.recipe import read_source

RECIPE = """\
axkit: 1
name: x
model: model
control: {control}
task: {{kind: classification, files: {{train: train.jsonl, test: test.jsonl}}, text: sentence, label: label}}
passes:
"""
TRAIN = "{pass: finetune, epochs: 1, learning_rate: 3e-3, batch_size: 16, precision: float32}"
DROP, INT8, DISTILL = "{pass: drop_layers, drop: [1]}", "{pass: int8}", "{pass: distill, epochs: 0.5}"
PRUNE = "{pass: axformer_prune, objective: budget, speedup: 1.2, recover: {pass: distill, epochs: 0.1}}"


def source(*passes, control="auto"):
    return read_source(RECIPE.format(control=control) + "".join(f"  - {one}\n" for one in passes), "r.yaml")


def names(control):
    return [step.name for step in control.plan.steps]


def test_the_control_is_the_training_alone(workplace):
    found = control_of(plan(source(TRAIN, DROP, DISTILL, INT8)))
    assert names(found) == ["finetune", "distill"]
    assert [step.index for step in found.plan.steps] == [0, 1]
    assert found.plan.baseline == 1
    assert not found.left_out
    inside = control_of(plan(source(TRAIN, PRUNE, DISTILL)))
    assert (names(inside), inside.left_out) == (["finetune", "distill"], ("axformer_prune",))


@pytest.mark.parametrize(
    ("passes", "control", "why", "trains"),
    [
        ((TRAIN, DROP, INT8), "true", "no pass behind the dense model trains", False),
        ((TRAIN, DISTILL), "true", "the recipe only trains, and is its own control", False),
        ((TRAIN, DROP, DISTILL), "false", "the recipe says control: false", True),
    ],
)
def test_where_there_is_none(workplace, passes, control, why, trains):
    made = plan(source(*passes, control=control))
    found = control_of(made)
    assert (found.plan, found.why, found.trains) == (None, why, trains)
    assert bool(foreseen(made)) == trains


def test_auto_asks_for_one_where_there_is_a_gain_to_explain(workplace):
    found = control_of(plan(source(TRAIN, DROP, DISTILL)))
    assert wanted(found, "auto", quality()) is found
    assert wanted(found, "auto", quality(p_value_paired=0.2)).plan is None
    assert wanted(found, "auto", quality(metric_result=79.0)).plan is None
    assert wanted(found, True, quality(p_value_paired=0.2)) is found


def test_the_plan_says_so(workplace):
    assert foreseen(plan(source(TRAIN, DROP, DISTILL, control="true"))) == (
        "control: finetune, distill, the same training without the cuts, is run too"
    )
    assert "better than the dense model by more than chance" in foreseen(plan(source(TRAIN, DROP, DISTILL)))


def test_it_is_the_model_that_its_passes_make(workplace):
    heard = Heard()
    run = apply(source(TRAIN, DROP, TRAIN, control="true"), runs=workplace / "runs", progress=heard)
    found, scored = run.summary.control.found, run.summary.quality
    assert run.summary.control.passes == ("finetune", "finetune")
    alone = apply(source(TRAIN, TRAIN), runs=workplace / "alone")
    assert (found.score, found.loss_nats) == (
        alone.summary.quality.result.points,
        alone.summary.quality.result.loss_nats,
    )
    assert [stage.record.applied.name for stage in run.stages] == ["finetune", "drop_layers", "finetune"], (
        "not its stages"
    )
    assert found.result_above.change == pytest.approx(scored.result.points - found.score)
    assert found.above_dense.change == pytest.approx(found.score - scored.dense.points)
    said = heard.lines.index("Control: the same training without the cuts")
    assert "1. finetune: finished earlier, reused" in heard.lines[said:], "what the two share is made once"

    heard = Heard()
    again = apply(source(TRAIN, DROP, TRAIN, control="true"), runs=workplace / "runs", progress=heard)
    assert sum("reused" in line for line in heard.lines) == 5, "its stages are kept as the others are"
    assert again.summary.control.found.score == found.score

    heard = Heard()
    apply(source(TRAIN, DROP, TRAIN, control="true"), runs=workplace / "runs", progress=heard, fresh=True)
    assert sum("reused" in line for line in heard.lines) == 1, "fresh: of this call alone"


def test_a_training_that_does_not_apply_without_the_cuts_spoils_nothing(workplace):
    pairs = "{pass: distill, epochs: 0.1, hidden: 1.0, layers: [0, 2]}"  # a layer each, of the two that are left
    run = apply(source(TRAIN, DROP, pairs, control="true"), runs=workplace / "runs")
    control = run.summary.control
    assert control.found is None
    assert control.why.startswith("the training does not apply without the cuts (")
    assert control_lines(control)[1] == f"No control was run: {control.why}."


def told(against, **more):
    pair = dict(zip(("change", "low", "high", "p"), against, strict=True))
    alone = {"dense_change": 2.0, "dense_low": 0.5, "dense_high": 3.5, "dense_p": 0.01}
    found = CONTROL | alone | {f"result_{key}": value for key, value in pair.items()}
    return headline(summary(**{"control": found, **more}))


def test_the_headline_says_whose_the_gain_is():
    said = told((-0.3, -1.0, 0.4, 0.4))
    assert "Of +1.70 points the same training without the cuts gives +2.00" in said
    assert "against that control the result is -0.30 (95 % interval -1.00 to +0.40, paired p = 0.400)" in said
    assert "no difference that chance would not explain. The gain is the training's, not the cuts'." in said
    said = told((1.2, 0.3, 2.1, 0.01))
    assert "the result is +1.20" in said
    assert "training's" not in said
    assert told((-0.3, -1.0, 0.4, 0.4), p_value_paired=0.3).count("The same training without the cuts gives +2.00") == 1


def test_a_control_within_chance_of_the_dense_model_is_told_as_that():
    none = CONTROL | {"metric": 80.4, "dense_change": 0.4, "dense_low": -0.5, "dense_high": 1.3}
    none |= {"dense_p": 0.5, "result_change": 1.3, "result_low": 0.4, "result_high": 2.2, "result_p": 0.01}
    said = told((0, 0, 0, 1), control=none)
    assert "gives +0.40 (which chance would explain); against that control the result is +1.30" in said


def test_a_gain_without_a_control_is_told_as_one_of_unknown_origin():
    none = NONE | {"why": "the recipe says control: false"}
    assert "How much of it the training alone would give is not known: the recipe says control: false." in told(
        (0, 0, 0, 1), control=none
    )
    assert "not known" not in told((0, 0, 0, 1), control=none, p_value_paired=0.3), "there is no gain to explain"
    assert "not known" not in told((0, 0, 0, 1), control=none | {"trains": False})

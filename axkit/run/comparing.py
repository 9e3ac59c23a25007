"""The final comparison of a run: dense against result, on the test split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axkit.contract.body import Body
from axkit.ground.progress import Progress
from axkit.ground.target import DEFAULT, Target
from axkit.measure import certainty
from axkit.measure import speed as measure
from axkit.measure.figures import Interval
from axkit.measure.inputs import Inputs
from axkit.run.quality import Change, Constant, ControlFound, Quality, Score
from axkit.run.summary import Both, Speeds
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.split import Evaluation, Split


@dataclass(frozen=True)
class Compared:
    """Two models on the test split.

    Attributes:
        quality: what they score.
        values: numbers in each.
        speeds: of each.
        answers: the dense model's, and the result's.
    """

    quality: Quality
    values: Both
    speeds: Speeds
    answers: tuple[Evaluation, Evaluation]


@dataclass(frozen=True)
class Tested:
    """A model with its answers to rows that no decision used.

    Attributes:
        body: what answered.
        rows: as its own tokenizer splits them.
        answers: to these.
    """

    body: Body
    rows: Split
    answers: Evaluation

    @classmethod
    def of(cls, body: Body, rows: Split, progress: Progress) -> Tested:
        """Ask it."""
        return cls(body, rows, rows.evaluate(body, progress=progress, sure=True))


def compare(dense: Tested, result: Tested, train_labels: Any, progress: Progress, target: Target = DEFAULT) -> Compared:
    """Quality with its uncertainty, size in values, and speed of two models.

    Args:
        dense: the model that the result is measured against.
        result: what the recipe made of it; each is timed on its own rows.
        train_labels: for the score of the most frequent label.
        progress: told what is going on.
        target: what they are timed for.
    """
    both = {"dense": dense, "result": result}
    inputs = {name: Inputs.of(one.rows, size=target.batch) for name, one in both.items()}
    bodies = {name: one.body for name, one in both.items()}
    timed = measure.speed(bodies, inputs, progress=progress, target=target)
    majority = certainty.majority_score(result.rows, train_labels)
    return Compared(
        quality=quality(result.rows, dense.answers, result.answers, majority),
        values=Both(dense.body.values(), result.body.values()),
        speeds=Speeds.of(timed["dense"], timed["result"], on_device=target.kind != "cpu"),
        answers=(dense.answers, result.answers),
    )


def quality(test: Split, before: Evaluation, after: Evaluation, majority: float) -> Quality:
    """What each scores, whether they differ, and what luck would score.

    Args:
        test: the rows.
        before: the dense model's answers.
        after: the result's.
        majority: points of train's most frequent label.
    """
    scores, repeated = certainty.resampled(test, before, after), rows_of(test.spec.kind).luck.repeated
    dense, result = (
        Score(
            points=one.score,
            interval=certainty.interval(column),
            loss_nats=one.loss,
            metrics=dict(one.scores),
            answers_only=repeated(one.predictions, test.label_names),
        )
        for one, column in zip((before, after), scores.T, strict=True)
    )
    luck = certainty.best_constant(test)
    constant = Constant(
        points=luck.evaluation.score,
        answer=luck.answer,
        metrics=luck.scores,
        p=certainty.paired_p_value(test, luck.evaluation, after),
    )
    change = Change.of(certainty.paired(test, before, after, scores))
    return Quality(before.metric, dense, result, change, constant, majority, test.spec.is_unlabelled)


def beside_control(found: Evaluation, test: Split, compared: Compared) -> ControlFound:
    """A control (``axkit/run/control.py``) on the test split, by itself and beside the two others.

    Args:
        found: answers of what the same training without the cuts came to.
        test: the rows, as its tokenizer splits them.
        compared: the dense model and the result on the same rows.
    """
    dense, result = compared.answers
    return ControlFound(
        score=found.score,
        interval=Interval(*certainty.confidence_interval(test, found)),
        loss_nats=found.loss,
        above_dense=certainty.paired(test, dense, found),
        result_above=certainty.paired(test, found, result),
    )

"""What the figures of a run allow one to say: the one place that decides what is a gain. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from axkit.ground.figures import change, p_value, ratio, score
from axkit.measure.figures import LEVEL, Batch, Interval, Rounds
from axkit.run.quality import ControlFound, ControlRecord, Quality
from axkit.run.summary import Baseline, Summary

if TYPE_CHECKING:
    from axkit.finished.score import Scored

Kind = Literal["gain", "loss", "same", "chance", "constant", "untrained", "itself"]
CHANCE = "no difference that chance would not explain"
OF_ITS_OWN = (
    "The rows have no labels: a score is agreement with the run's own dense model, and how often either is right is "
    "not known."
)
_TRAINED = Baseline()
_MARKS: dict[Kind, str] = {"chance": "chance", "constant": "constant", "untrained": "dense untrained"}


def judge(quality: Quality, baseline: Baseline = _TRAINED) -> Kind:
    """What the result's score is, beside that of the dense model.

    Args:
        quality: of a report; one that an earlier axkit wrote lacks the interval of the change and the best constant,
            and is judged by its p value and train's majority.
        baseline: the dense model.

    Returns:
        ``gain`` or ``loss``: more than chance explains. ``chance``: not more. ``same``: equal on every resample.
        ``constant``: higher, and not above what one and the same answer to every row scores by more than chance.
        ``untrained``: higher than a model that nobody trained. ``itself``: the recipe only trains.
    """
    if baseline.is_result:
        return "itself"
    if quality.unlabelled:  # the dense model agrees with itself: there is nothing to gain, and no chance in it
        return "loss" if quality.moved < 0 else "same"
    if quality.moved > 0 and baseline.is_untrained:
        return "untrained"
    if quality.moved > 0 and not _above_constant(quality):
        return "constant"
    return _of_pair(quality.moved, quality.change.interval, quality.change.p)


def mark(kinds: Sequence[Kind]) -> str:
    """What a table has behind a change, or behind the mean of several: empty where each is more than chance."""
    told = [_MARKS[kind] for kind in kinds if kind in _MARKS]
    if not told or len(kinds) == 1:
        return f" ({told[0]})" if told else ""
    return f" ({', '.join(f'{word}: {told.count(word)} of {len(kinds)}' for word in dict.fromkeys(told))})"


class Judged(Protocol):
    """Two models whose change can be judged; a ``Summary`` is one."""

    @property
    def quality(self) -> Quality:
        """What they score."""
        ...

    @property
    def baseline(self) -> Baseline:
        """The dense one."""
        ...


def change_cell(found: Judged) -> str:
    """The change in points, as a table has it."""
    return change(found.quality.moved) + mark([judge(found.quality, found.baseline)])


def speed_is_sure(rounds: Rounds | None, batch: Batch) -> bool:
    """Whether the faster of two models was so by more than the noise of the machine.

    Args:
        rounds: that timed both; None in a report that an earlier axkit wrote, which is believed.
        batch: one input at a time, or 32.
    """
    return rounds is None or rounds.are_sure(batch)


def speed_cell(rounds: Rounds | None, batch: Batch, value: float) -> str:
    """How many times as fast, as a table has it; what the noise of the machine would explain is marked."""
    return ratio(value) + ("" if speed_is_sure(rounds, batch) else " (noise)")


def sentences(summary: Summary) -> list[str]:
    """The quality of the result: what it scores, what explains it, what the rows can tell, whose gain it is."""
    quality, rows = summary.quality, summary.rows.used.test
    kind = judge(quality, summary.baseline)
    told = [
        _scores(kind, quality),
        *_no_labels(quality),
        *_answers(kind, quality, rows),
        *_control(kind, quality, summary.control),
        *_came(summary.came),
    ]
    if kind in ("chance", "constant") and quality.change.resolution is not None:
        told.append(
            f"These {rows} test rows can tell differences from about {score(quality.change.resolution)} points on."
        )
    return told


def scored_lines(found: Scored, split: str, other: str) -> list[str]:
    """What ``axkit eval`` says of a model, and of it beside another.

    Args:
        found: its score.
        split: the rows.
        other: words for the other model, if any.
    """
    interval = f"95 % interval {score(found.low)} to {score(found.high)}, {found.rows} rows"
    lines = [f"{split} {found.metric} {score(found.score)} ({interval})"]
    for name, value in found.others.items():
        lines.append(f"{split} {name} {value:.4f}" if name == "divergence" else f"{split} {name} {score(value)}")
    if found.answers_of:
        lines.append(
            f"The rows have no labels: the answers of {found.answers_of} stand in their place, and how often either of "
            f"the two is right is not known."
        )
    lines.append(
        f"One and the same answer to every row scores {score(found.constant)} at best: {found.constant_answer}."
    )
    if found.answers_only:
        lines.append(f"The model gives all {found.rows} rows the same answer: {found.answers_only}.")
    pair = found.paired
    if pair is None or found.against is None or found.answers_of == other:  # it agrees with itself
        return lines
    kind = _of_pair(pair.change, pair.interval, pair.p)
    told = {"chance": CHANCE, "same": "no difference"}.get(kind, f"{change(pair.change)} points")
    tested = f"{_paired(pair.interval, pair.p)}; these rows tell differences from about {score(pair.resolution)} on"
    return [*lines, f"Against {other} ({score(found.against)}): {told} ({tested})."]


def _of_pair(moved: float, interval: Interval | None, p: float) -> Kind:
    if moved == 0 and p == 1 and (interval is None or not (interval.low or interval.high)):
        return "same"
    if p >= LEVEL or (interval is not None and interval.spans_none):
        return "chance"
    return "gain" if moved > 0 else "loss"


def _luck(quality: Quality) -> float:
    """Points of the best constant answer, or of train's most frequent label where that is not known."""
    return quality.constant.points if quality.constant else quality.majority


def _above_constant(quality: Quality) -> bool:
    p = quality.constant.p if quality.constant else 0.0
    return bool(quality.result.points > _luck(quality) + 1e-9 and p < LEVEL)


def _paired(interval: Interval | None, p: float) -> str:
    told = f"95 % interval {change(interval.low)} to {change(interval.high)}, " if interval else ""
    return f"{told}paired p {p_value(p)}"


def _scores(kind: Kind, quality: Quality) -> str:
    dense, result, name = quality.dense.points, quality.result.points, quality.metric_name
    told = f"Test {name} {score(dense)} -> {score(result)}"
    if kind == "itself":
        return f"Test {name} {score(result)}. The recipe only trains: the result is the dense model."
    if quality.unlabelled:
        interval = quality.result.interval
        return (
            f"Test {name} with the dense model {score(result)} (95 % interval {score(interval.low)} to "
            f"{score(interval.high)})."
        )
    tested = _paired(quality.change.interval, quality.change.p)
    if kind == "untrained":
        return f"{told}. The dense model was never trained for the task: that is no gain."
    if kind == "constant":
        return f"{told}, which is no gain: {_constant(quality)}, and the result {_beside_constant(quality)}."
    if kind == "same":
        return f"{told}: no difference."
    if kind == "chance":
        return f"{told}: {CHANCE} ({tested})."
    return f"{told}: {change(quality.moved)} points ({tested})."


def _no_labels(quality: Quality) -> list[str]:
    """What an agreement is, where no row has a label."""
    if not quality.unlabelled:
        return []
    return [
        f"The rows have no labels: the dense model's own answers stand in their place, and how often either of the two "
        f"is right is not known. Mean divergence of the result's answers from these: {quality.result.loss_nats:.4f}."
    ]


def _constant(quality: Quality) -> str:
    if quality.constant is None:
        return f"train's most frequent label scores {score(quality.majority)}"
    return f"one and the same answer to every row, {quality.constant.answer}, scores {score(quality.constant.points)}"


def _beside_constant(quality: Quality) -> str:
    if quality.constant is None or quality.result.points <= _luck(quality) + 1e-9:
        return "is no better: do not use it"
    return f"is not above that by more than chance (paired p {p_value(quality.constant.p)})"


def _answers(kind: Kind, quality: Quality, rows: int) -> list[str]:
    """Models that always say the same, and a result that is no better than that."""
    told = [
        f"The {name} gives all {rows} test rows the same answer: {answer}."
        for name, answer in (
            ("result", quality.result.answers_only),
            ("dense model", quality.dense.answers_only if kind != "itself" else ""),
        )
        if answer
    ]
    if kind != "constant" and not _above_constant(quality):
        said = _constant(quality)
        told.append(f"{said[0].upper()}{said[1:]}; the result {_beside_constant(quality)}.")
    return told


def _came(found: ControlFound | None) -> list[str]:
    """A ready model that the recipe trained first: what it scored before, which is what its owner knows."""
    if found is None:
        return []
    ours = found.result_above
    kind = _of_pair(ours.change, ours.interval, ours.p)
    words = {"chance": f": {CHANCE}", "same": ": no difference"}
    return [
        f"As it came, before the recipe trained it, the model scores {score(found.score)}; against that the result is "
        f"{change(ours.change)} ({_paired(ours.interval, ours.p)}){words.get(kind, '')}."
    ]


def _control(kind: Kind, quality: Quality, control: ControlRecord | None) -> list[str]:
    """How much of the change the training alone gives."""
    if control is None:
        return []
    if control.found is None:
        unknown = f"How much of it the training alone would give is not known: {control.why}."
        return [unknown] if kind == "gain" and control.trains else []
    found = control.found
    ours, own = found.result_above, found.above_dense
    beyond, alone = (_of_pair(one.change, one.interval, one.p) for one in (ours, own))
    lead = f"Of {change(quality.moved)} points the" if kind == "gain" else "The"
    luck = " (which chance would explain)" if alone == "chance" else ""
    told = (
        f"{lead} same training without the cuts gives {change(found.score - quality.dense.points)}{luck}; against that "
        f"control the result is {change(ours.change)} ({_paired(ours.interval, ours.p)})"
    )
    words = {"chance": f": {CHANCE}", "same": ": no difference"}
    ends = " The gain is the training's, not the cuts'." if kind == "gain" and beyond != "gain" else ""
    return [f"{told}{words.get(beyond, '')}.{ends}"]

"""What the figures of a run allow one to say: the one place that decides what is a gain. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from axkit.ground.figures import change, p_value, ratio, score

if TYPE_CHECKING:
    from axkit.finished.score import Scored

LEVEL = 0.05  # of every test
Kind = Literal["gain", "loss", "same", "chance", "constant", "untrained", "itself"]
CHANCE = "no difference that chance would not explain"
_MARKS: dict[Kind, str] = {"chance": "chance", "constant": "constant", "untrained": "dense untrained"}


def judge(summary: Mapping[str, Any]) -> Kind:
    """What the result's score is, beside that of the dense model.

    Args:
        summary: of a report; one that an earlier axkit wrote lacks the interval of the change and the best constant,
            and is judged by its p value and train's majority.

    Returns:
        ``gain`` or ``loss``: more than chance explains. ``chance``: not more. ``same``: equal on every resample.
        ``constant``: higher, and not above what one and the same answer to every row scores by more than chance.
        ``untrained``: higher than a model that nobody trained. ``itself``: the recipe only trains.
    """
    moved = summary["metric_result"] - summary["metric_dense"]
    if summary.get("dense_is_result"):
        return "itself"
    if moved > 0 and summary.get("dense_is_untrained"):
        return "untrained"
    if moved > 0 and not _above_constant(summary):
        return "constant"
    return _of_pair(
        moved, summary.get("metric_change_low"), summary.get("metric_change_high"), summary["p_value_paired"]
    )


def mark(kinds: Sequence[Kind]) -> str:
    """What a table has behind a change, or behind the mean of several: empty where each is more than chance."""
    told = [_MARKS[kind] for kind in kinds if kind in _MARKS]
    if not told or len(kinds) == 1:
        return f" ({told[0]})" if told else ""
    return f" ({', '.join(f'{word}: {told.count(word)} of {len(kinds)}' for word in dict.fromkeys(told))})"


def change_cell(summary: Mapping[str, Any]) -> str:
    """The change in points, as a table has it."""
    return change(summary["metric_result"] - summary["metric_dense"]) + mark([judge(summary)])


def speed_is_sure(summary: Mapping[str, Any], batch: Literal["b1", "b32"]) -> bool:
    """Whether the faster of two models was so in more of the rounds than a coin would give (sign test, 5 %).

    Args:
        summary: of a report; one that an earlier axkit wrote says nothing of rounds, and is believed.
        batch: one input at a time, or 32.
    """
    ahead = summary.get(f"rounds_ahead_{batch}")
    if ahead is None:
        return True
    rounds = int(summary["rounds"])
    tail = sum(math.comb(rounds, count) for count in range(min(ahead, rounds - ahead) + 1)) / 2**rounds
    return bool(2 * tail < LEVEL)


def speed_cell(summary: Mapping[str, Any], batch: Literal["b1", "b32"], value: float) -> str:
    """How many times as fast, as a table has it; what the noise of the machine would explain is marked."""
    return ratio(value) + ("" if speed_is_sure(summary, batch) else " (noise)")


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """The quality of the result: what it scores, what explains it, what the rows can tell, whose gain it is."""
    kind = judge(summary)
    told = [_scores(kind, summary), *_answers(kind, summary), *_control(kind, summary)]
    if kind in ("chance", "constant") and "metric_resolution" in summary:
        told.append(
            f"These {summary['rows']['test']} test rows can tell differences from about "
            f"{score(summary['metric_resolution'])} points on."
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
    lines += [f"{split} {name} {score(value)}" for name, value in found.others.items()]
    lines.append(
        f"One and the same answer to every row scores {score(found.constant)} at best: {found.constant_answer}."
    )
    if found.answers_only:
        lines.append(f"The model gives all {found.rows} rows the same answer: {found.answers_only}.")
    pair = found.paired
    if pair is None or found.against is None:
        return lines
    kind = _of_pair(pair.change, pair.low, pair.high, pair.p)
    told = {"chance": CHANCE, "same": "no difference"}.get(kind, f"{change(pair.change)} points")
    tested = (
        f"{_paired(pair.low, pair.high, pair.p)}; these rows tell differences from about {score(pair.resolution)} on"
    )
    return [*lines, f"Against {other} ({score(found.against)}): {told} ({tested})."]


def _of_pair(moved: float, low: float | None, high: float | None, p: float) -> Kind:
    if moved == 0 and p == 1 and not low and not high:
        return "same"
    spans = low is not None and high is not None and low <= 0 <= high
    if p >= LEVEL or spans:
        return "chance"
    return "gain" if moved > 0 else "loss"


def _above_constant(summary: Mapping[str, Any]) -> bool:
    luck = summary.get("metric_constant", summary["metric_majority"])
    return bool(summary["metric_result"] > luck + 1e-9 and summary.get("p_value_constant", 0.0) < LEVEL)


def _paired(low: float | None, high: float | None, p: float) -> str:
    interval = "" if low is None or high is None else f"95 % interval {change(low)} to {change(high)}, "
    return f"{interval}paired p {p_value(p)}"


def _scores(kind: Kind, summary: Mapping[str, Any]) -> str:
    dense, result = summary["metric_dense"], summary["metric_result"]
    told = f"Test {summary['metric_name']} {score(dense)} -> {score(result)}"
    if kind == "itself":
        return f"Test {summary['metric_name']} {score(result)}. The recipe only trains: the result is the dense model."
    tested = _paired(summary.get("metric_change_low"), summary.get("metric_change_high"), summary["p_value_paired"])
    if kind == "untrained":
        return f"{told}. The dense model was never trained for the task: that is no gain."
    if kind == "constant":
        return f"{told}, which is no gain: {_constant(summary)}, and the result {_beside_constant(summary)}."
    if kind == "same":
        return f"{told}: no difference."
    if kind == "chance":
        return f"{told}: {CHANCE} ({tested})."
    return f"{told}: {change(result - dense)} points ({tested})."


def _constant(summary: Mapping[str, Any]) -> str:
    if "metric_constant" not in summary:
        return f"train's most frequent label scores {score(summary['metric_majority'])}"
    answer = summary["metric_constant_answer"]
    return f"one and the same answer to every row, {answer}, scores {score(summary['metric_constant'])}"


def _beside_constant(summary: Mapping[str, Any]) -> str:
    if summary["metric_result"] <= summary.get("metric_constant", summary["metric_majority"]) + 1e-9:
        return "is no better: do not use it"
    return f"is not above that by more than chance (paired p {p_value(summary['p_value_constant'])})"


def _answers(kind: Kind, summary: Mapping[str, Any]) -> list[str]:
    """Models that always say the same, and a result that is no better than that."""
    told = [
        f"The {name} gives all {summary['rows']['test']} test rows the same answer: {answer}."
        for name, answer in (
            ("result", summary.get("result_answers_only")),
            ("dense model", kind != "itself" and summary.get("dense_answers_only")),
        )
        if answer
    ]
    if kind != "constant" and not _above_constant(summary):
        said = _constant(summary)
        told.append(f"{said[0].upper()}{said[1:]}; the result {_beside_constant(summary)}.")
    return told


def _control(kind: Kind, summary: Mapping[str, Any]) -> list[str]:
    """How much of the change the training alone gives."""
    control = summary.get("control")
    if control is None:
        return []
    if not control["run"]:
        unknown = f"How much of it the training alone would give is not known: {control['why']}."
        return [unknown] if kind == "gain" and control["trains"] else []
    total, alone = (one - summary["metric_dense"] for one in (summary["metric_result"], control["metric"]))
    beyond = _of_pair(*(control[f"result_{name}"] for name in ("change", "low", "high", "p")))
    lead = f"Of {change(total)} points the" if kind == "gain" else "The"
    tested = _paired(control["result_low"], control["result_high"], control["result_p"])
    own = _of_pair(*(control[f"dense_{name}"] for name in ("change", "low", "high", "p")))
    luck = " (which chance would explain)" if own == "chance" else ""
    told = (
        f"{lead} same training without the cuts gives {change(alone)}{luck}; against that control the result is "
        f"{change(control['result_change'])} ({tested})"
    )
    words = {"chance": f": {CHANCE}", "same": ": no difference"}
    ends = " The gain is the training's, not the cuts'." if kind == "gain" and beyond != "gain" else ""
    return [f"{told}{words.get(beyond, '')}.{ends}"]

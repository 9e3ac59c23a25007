"""What came out of a run, in sentences that claim no more than was measured."""

from __future__ import annotations

from axkit.ground.figures import change, quantity, ratio, score, times
from axkit.run.quality import ControlFound, ControlRecord, Quality
from axkit.run.recommend import Option, Recommendation
from axkit.run.summary import Baseline, Speeds, Summary
from axkit.run.verdict import judge, mark, sentences, speed_is_sure

_NOISE = " within the noise of this machine"


def headline(summary: Summary) -> str:
    """What came out: size, speed, quality, and whether it was worth anything."""
    kind = judge(summary.quality, summary.baseline)
    if kind == "itself":  # timed twice, and what differs is the machine
        return "\n".join(sentences(summary))
    smaller, speeds = summary.bytes.ratio, summary.speeds
    batch, single = speed_is_sure(speeds.rounds, "b32"), speed_is_sure(speeds.rounds, "b1")
    lines = [
        f"{times(smaller, 'smaller', 'larger', 'As large')} on disk, {_faster(speeds, batch)} at batch "
        f"{summary.spent.where.batch}, {_quicker(speeds, single)} on one input.",
        *sentences(summary),
    ]
    better = [smaller, speeds.throughput_ratio if batch else 1.0, speeds.latency_ratio if single else 1.0]
    if max(better) <= 1.03 and kind != "gain":
        fell = _loss_fell(summary.quality)
        lines.append(f"Nothing became smaller or faster, and nothing better by more than chance.{fell}")
    return "\n".join(lines)


def _faster(speeds: Speeds, sure: bool) -> str:
    return (
        times(speeds.throughput_ratio, "the throughput", "slower", "the same throughput")
        if sure
        else f"as fast{_NOISE}"
    )


def _quicker(speeds: Speeds, sure: bool) -> str:
    return times(speeds.latency_ratio, "quicker", "slower", "as quick") if sure else f"as quick{_NOISE}"


def _loss_fell(quality: Quality) -> str:
    """That the loss got better all the same, where it did by one in a hundred."""
    dense, result = quality.dense.loss_nats, quality.result.loss_nats
    if not dense or dense - result < 0.01 * dense:
        return ""
    return f" The loss on the test split fell by {quantity(100 * (dense - result) / dense)} %."


def gain_lines(summary: Summary) -> list[str]:
    """What was gained on the rows that decided, beside what was gained on rows that nothing had seen."""
    quality, searched = summary.quality, summary.searched
    search, test = searched.result.score - searched.dense.score, quality.moved
    loss_search = searched.dense.loss_nats - searched.result.loss_nats
    loss_test = quality.dense.loss_nats - quality.result.loss_nats
    marked = mark([judge(quality, summary.baseline)])
    loss = "divergence" if quality.unlabelled else "loss"
    lines = [
        f"On the search split, which decided: {change(search)} points, {loss} {change(-loss_search, 4)}. On the "
        f"untouched test split: {change(test)} points{marked}, {loss} {change(-loss_test, 4)}."
    ]
    parted = [
        f"{name} gain {change(there, digits)} there, {change(here, digits)} here"
        for name, there, here, digits in (
            (quality.metric_name, search, test, 2),
            (loss, loss_search, loss_test, 4),
        )
        if there > 0 and here < there / 2
    ]
    if parted:
        lines.append(f"It fits the search split: less than half of the gain survives ({'; '.join(parted)}).")
    return lines


def recommend_lines(found: Recommendation | None, on: str) -> list[str]:
    """What was the fastest on this machine, of all that was timed; empty where there was nothing to choose from.

    Args:
        found: in the run.
        on: the processor, or the GPU, that it was timed on.
    """
    if found is None:
        return []
    lines = [
        f"On {on}: for latency {_option(found.latency)} ({ratio(found.latency.latency_times or 0)} as quick as "
        f"dense on one input), for throughput {_option(found.throughput)} "
        f"({ratio(found.throughput.throughput_times)} dense in batches)."
    ]
    timed = [
        f"{_option(one)} {ratio(one.throughput_times)}"
        + (f" and {ratio(one.latency_times)}" if one.latency_times is not None else "")
        for one in found.options
    ]
    lines.append(f"Timed, in batches and on one input: {'; '.join(timed)}.")
    if not (found.latency.is_result and found.throughput.is_result):
        lines.append("What is not the result has not been scored: make it a stage, and its score is measured.")
    return lines


def _option(one: Option) -> str:
    return f"{one.precision} in {one.runtime}{' (the result)' if one.is_result else ''}"


def control_lines(control: ControlRecord | None) -> list[str]:
    """What the control was, or why there was none; nothing where no pass behind the dense model trains."""
    if control is None or not control.trains:
        return []
    if control.found is None:
        return ["", f"No control was run: {control.why}."]
    without = f" What {', '.join(control.left_out)} trains inside is not in it." if control.left_out else ""
    return ["", f"{_control_scores(control.passes, control.found)}{without}"]


def left_out_lines(left_out: tuple[str, ...]) -> list[str]:
    """What the recipe has and this run did not need; nothing where that is nothing."""
    return [f"Left out: {'; '.join(left_out)}.", ""] if left_out else []


def _control_scores(passes: tuple[str, ...], found: ControlFound) -> str:
    interval = f"{score(found.interval.low)} to {score(found.interval.high)}"
    return (
        f"Control, the same training without the cuts ({', '.join(passes)}): {score(found.score)} "
        f"(95 % interval {interval}), loss {found.loss_nats:.4f}; {quantity(found.wall_s)} s of the run."
    )


def how_measured(summary: Summary) -> str:
    """On which rows, against what, how surely, and how noisy the machine was."""
    rows, quality, speeds = summary.rows.used, summary.quality, summary.speeds
    spread = [
        f"{name} {quantity(one.throughput_b32_per_s_low)} to {quantity(one.throughput_b32_per_s_high)}"
        for name, one in (("dense", speeds.dense), ("result", speeds.result))
    ]
    return (
        f"Dense is the model {_dense(summary.baseline)}, in float32. Decisions were made on "
        f"{rows.search} search rows, the figures above on {rows.test} test rows that no decision used "
        f"{_told_apart(quality)} {_luck(quality)} Speed: the two models in turn, in one process, on inputs "
        f"of real lengths; throughput of the rounds: {', '.join(spread)} inputs/s."
    )


def _dense(baseline: Baseline) -> str:
    """Where the dense model comes from."""
    if baseline.stage.startswith("-1-"):  # no pass made it (``run.keys.stage_name``)
        return "as it came"
    return "that the recipe's leading training passes left"


def _told_apart(quality: Quality) -> str:
    """How sure the scores are; of a report that an earlier axkit wrote, less is known."""
    intervals = [
        f"{name} {score(one.interval.low)} to {score(one.interval.high)}"
        for name, one in (("dense", quality.dense), ("result", quality.result))
    ]
    told = f"(95 % intervals: {', '.join(intervals)})"
    if quality.change.resolution is None:
        return f"{told}."
    points = score(quality.change.resolution)
    return f"{told}; two models that differ as these do can be told apart there from about {points} points on."


def _luck(quality: Quality) -> str:
    """What one scores without looking at a row."""
    label = "answer" if quality.unlabelled else "label"
    majority = f"rain's most frequent {label} scores {score(quality.majority)}."
    if quality.constant is None:
        return f"T{majority}"
    constant = f"{score(quality.constant.points)} ({quality.constant.answer})"
    return f"The best that one and the same answer to every row scores there is {constant}; t{majority}"

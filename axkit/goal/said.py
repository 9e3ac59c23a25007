"""What came of a goal, in sentences that claim no more than was measured. Imports no torch."""

from __future__ import annotations

from axkit.goal.ladder import ideas
from axkit.goal.outcome import NEAR, Compressed, frontier
from axkit.ground.figures import change, ratio
from axkit.measure.noise import rows_for, rows_needed
from axkit.run.summary import Summary
from axkit.run.verdict import speed_is_sure


def said(found: Compressed) -> list[str]:
    """The end of it: what was reached of the goal, and what would help where it was not."""
    if not found.tried:
        return [f"Written to {found.recipe}, and not run: axkit apply {found.recipe} --out {found.recipe.parent}"]
    best = ", ".join(f"{one.name} ({ratio(one.speedup)}, {change(-one.drop)})" for one in frontier(found.tried))
    lines = [f"On the frontier, on the search split: {best}."]
    if found.report is None:
        lines.append(f"Nothing that was tried costs {found.goal.max_drop:g} points or less: keep the model as it is.")
    else:
        lines += _reached(found, found.report.summary)
    if not found.met:
        lines += [f"What would help: {idea}." for idea in _more_rows(found)]
        lines += [f"What would help: {idea}." for idea in ideas(found.tried, found.goal, found.left_out)]
    return lines


def _reached(found: Compressed, summary: Summary) -> list[str]:
    goal, speeds = found.goal, summary.speeds
    told = []
    if goal.speedup is not None:
        sure = "" if speed_is_sure(speeds.rounds, "b32") else ", within the noise of this machine"
        met = speeds.throughput_ratio >= NEAR * goal.speedup
        told.append(f"speed {_word(met)}: {ratio(speeds.throughput_ratio)} of {ratio(goal.speedup)}{sure}")
    if goal.size is not None:
        met = summary.bytes.ratio >= NEAR * goal.size
        told.append(f"size {_word(met)}: {ratio(summary.bytes.ratio)} of {ratio(goal.size)}")
    told.append(_drop(found, summary))
    if summary.quality.result.answers_only:
        told.append("but it gives all rows the same answer: do not use it")
    return [f"{'Met' if found.met else 'Not met'}, on test rows that no decision used. {'; '.join(told)}."]


def _drop(found: Compressed, summary: Summary) -> str:
    """The points lost, and whether the rows can show that it is no more than allowed (non-inferiority)."""
    quality, most, rows = summary.quality, found.goal.max_drop, summary.rows.used.test
    lost = -quality.moved
    text = f"drop {_word(lost <= most + 1e-9)}: {change(quality.moved)} points, at most {most:g} may go"
    interval = quality.change.interval
    if interval is None:
        return text
    worst = -interval.low
    text += f" (95 % interval {change(interval.low)} to {change(interval.high)}, {rows} rows)"
    if lost > most or worst <= most:
        return text + ("; the rows show it" if worst <= most else "")
    needed = rows_needed(rows, worst - lost, most - lost)
    more = "" if needed is None else f": some {needed:,} would be needed"
    return f"{text}; that it is no more than {most:g} these rows cannot show{more}"


def _more_rows(found: Compressed) -> list[str]:
    """Where the test rows did not keep what the search rows promised, which were too few to decide by."""
    if found.report is None or found.chosen is None or -found.report.summary.quality.moved <= found.goal.max_drop:
        return []
    rows, wanted = found.report.summary.rows.used.search, rows_for(found.goal.max_drop)
    if rows >= wanted or not found.chosen.holds(found.goal):
        return []
    return [
        f"more rows: {rows} of them decided, and a drop of {found.goal.max_drop:g} takes some {wanted:,} to be told"
    ]


def _word(met: bool) -> str:
    return "met" if met else "not met"

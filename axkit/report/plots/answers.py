"""Plots of answers: how sure they are against how right, scores against labels, what each layer costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from axkit.ground.figures import quantity
from axkit.report.plots.canvas import DENSE, INK, RESULT, SOFT, canvas, plain, svg_of
from axkit.run.looked import Looked, Side

_MOST_BARS = 24
_NAME = 44  # characters of a layer's name


def reliability_svg(looked: Looked) -> str:
    """Share of right decisions over their confidence, of both models (DeGroot and Fienberg 1983)."""
    sides = (("dense", looked.dense, DENSE, "s"), ("result", looked.result, RESULT, "o"))
    with canvas(6.4, 4.2, nrows=2, sharex=True, height_ratios=(3, 1)) as (figure, (curve, counts)):
        curve.plot([0, 1], [0, 1], color=SOFT, linestyle=":", linewidth=1.2, label="as sure as right")
        for name, side, colour, marker in sides:
            points = [one.confidence for one in side.bins], [one.right for one in side.bins]
            curve.plot(*points, color=colour, marker=marker, markersize=5, linewidth=1.4, label=name)
        lowest = min(one.low for _, side, *_ in sides for one in side.bins)
        curve.set_xlim(lowest - 0.02, 1.02)
        curve.set_ylim(-0.02, 1.04)
        curve.set_ylabel("share that is right")
        curve.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        for at, (_, side, colour, _) in enumerate(sides):
            places = [one.low + 0.015 + 0.04 * at for one in side.bins]
            counts.bar(places, [one.decisions for one in side.bins], width=0.035, align="edge", color=colour)
        counts.set_ylabel("decisions")
        counts.set_xlabel("confidence of the answer")
        told = [calibration_words(name, side) for name, side in (("Dense", looked.dense), ("Result", looked.result))]
        return svg_of(figure, "reliability", "Reliability", " ".join(told))


def calibration_words(name: str, side: Side) -> str:
    """A model's calibration in a sentence."""
    error, sure = side.calibration_error or 0.0, 100 * side.sureness
    right = 100 * sum(one.decisions * one.right for one in side.bins) / max(1, side.decisions)
    return (
        f"{name}: right in {right:.1f} %, sure of it by {sure:.1f} %; expected calibration error {100 * error:.1f} %."
    )


def numbers_svg(numbers: Sequence[Sequence[float]]) -> str:
    """Both models' answers over the label."""
    golds = [row[0] for row in numbers]
    with canvas(6.4, 3.8) as (figure, axes):
        axes.plot([min(golds), max(golds)], [min(golds), max(golds)], color=SOFT, linestyle=":", label="as the label")
        for name, place, colour, marker in (("dense", 1, DENSE, "s"), ("result", 2, RESULT, "o")):
            axes.scatter(
                golds, [row[place] for row in numbers], s=9, color=colour, marker=marker, alpha=0.5, label=name
            )
        axes.set_xlabel("label")
        axes.set_ylabel("answer")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        return svg_of(figure, "numbers", "Answers over labels", f"{len(numbers)} test rows, each with both answers.")


def bars_svg(rows: Sequence[Mapping[str, Any]], label: str, value: str, name: str, title: str) -> str:
    """The largest values of a table's column, one bar each."""
    largest = sorted(rows, key=lambda row: -float(row[value]))[:_MOST_BARS]
    names = [_short(str(row[label])) for row in largest]
    values = [float(row[value]) for row in largest]
    with canvas(8.4, 0.6 + 0.25 * len(largest)) as (figure, axes):
        plain(axes)
        bars = axes.barh(range(len(largest)), values, color=RESULT, height=0.66)
        axes.bar_label(bars, [quantity(one) for one in values], padding=3, color=INK, fontsize=8)
        axes.set_yticks(range(len(largest)), names, fontsize=8)
        axes.set_xticks([])
        axes.set_title(value.replace("_", " "), fontsize=10, loc="left", color=INK)
        axes.margins(x=0.16)
        axes.invert_yaxis()
        return svg_of(figure, name, title, f"Most: {names[0]}, {quantity(values[0])}.")


def _short(name: str) -> str:
    """The end of a long name says more than its beginning."""
    return name if len(name) <= _NAME else f"...{name[3 - _NAME :]}"

"""The frontier of a family: score with its interval over measured throughput, the area of each point its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from axkit.ground.figures import quantity, ratio, score
from axkit.measure.figures import Interval
from axkit.report.plots.canvas import DENSE, GONE, INK, RESULT, canvas, svg_of

_LARGEST = 300.0  # area of the largest model's circle, in points squared
_Drawn = tuple[str, float, float, Interval, float]  # name, throughput as a multiple, points, their interval, bytes


def family_svg(members: Sequence[_Drawn], dense: tuple[float, Interval], metric: str) -> str:
    """Test score over throughput.

    Args:
        members: the models, the slowest asked first; one or more.
        dense: points of the dense model, and their interval.
        metric: its name.
    """
    speeds, scores = [one[1] for one in members], [one[2] for one in members]
    largest = max(one[4] for one in members)
    with canvas(6.8, 3.8) as (figure, axes):
        axes.axhspan(dense[1].low, dense[1].high, color=GONE, zorder=0)
        axes.axhline(dense[0], color=DENSE, linestyle="--", linewidth=1.2, label=f"dense {score(dense[0])}, with 95 %")
        axes.plot(speeds, scores, color=RESULT, linewidth=1.2)
        for name, speed, points, interval, size in members:
            reach = [[max(0.0, points - interval.low)], [max(0.0, interval.high - points)]]
            axes.errorbar(speed, points, yerr=reach, color=RESULT, capsize=3, linewidth=1.0)
            words = f"{name}: {score(points)}, {ratio(speed)}, {quantity(size / 1e6, 1)} MB"
            axes.scatter(speed, points, s=max(24.0, _LARGEST * size / largest), color=RESULT, alpha=0.6, label=words)
            axes.annotate(name, (speed, points), (7, 7), textcoords="offset points", fontsize=9, color=INK)
        axes.set_xlim(min(1.0, *speeds) - 0.1, 1.06 * max(speeds) + 0.1)
        axes.margins(y=0.15)
        axes.set_xlabel("measured throughput in batches, times dense")
        axes.set_ylabel(f"test {metric:.24}, points")
        figure.legend(loc="outside lower left", ncols=1, markerscale=0.5, fontsize=9)
        told = ", ".join(f"{score(one[2])} at {ratio(one[1])}" for one in members)
        return svg_of(figure, "family", "Frontier of the family", f"{told}. The dense model scores {score(dense[0])}.")

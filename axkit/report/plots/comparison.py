"""Models side by side: score over speed-up, one numbered circle each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axkit.ground.figures import quantity, ratio, score
from axkit.report.plots.canvas import DENSE, INK, RESULT, canvas, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST = 420.0  # area of the largest model's circle, in points squared
_NAME = 44  # characters of a label: a longer one's figures would be cut off
_AROUND = [(x, y) for reach in (12, 22, 32) for x, y in ((reach, 0), (-reach, 0), (0, reach), (0, -reach))]


@dataclass(frozen=True)
class Point:
    """A model in a comparison.

    Attributes:
        label: its name.
        speedup: throughput as a multiple of the dense model's.
        score: on the test split, points.
        size_bytes: on disk; the area of its circle.
        on_frontier: drawn full, others hollow.
    """

    label: str
    speedup: float
    score: float
    size_bytes: float
    on_frontier: bool


def comparison_svg(points: Sequence[Point], metric: str, reference: str, dense_score: float, name: str) -> str:
    """Score on the test split over speed-up, one numbered circle per model, with a legend.

    Args:
        points: one or more; numbered from 1 in this order.
        metric: its name.
        reference: the model whose dense form is 1x.
        dense_score: of it; drawn as a line.
        name: no other plot of the page has it.
    """
    largest = max(one.size_bytes for one in points)
    with canvas(6.8, 3.4 + 0.2 * len(points)) as (figure, axes):
        axes.axhline(dense_score, color=DENSE, linestyle="--", linewidth=1.2, label=f"dense {score(dense_score)}")
        for number, one in enumerate(points, 1):
            size = quantity(one.size_bytes / 1e6, 1)
            words = f"{number}  {one.label:.{_NAME}}: {score(one.score)}, {ratio(one.speedup)}, {size} MB"
            axes.scatter(
                one.speedup,
                one.score,
                s=max(24.0, _LARGEST * one.size_bytes / largest),
                facecolor=RESULT if one.on_frontier else "none",
                edgecolor=RESULT,
                alpha=0.6,
                label=words + ("" if one.on_frontier else " (behind)"),
            )
        axes.set_xlim(min(1.0, *(one.speedup for one in points)) - 0.1, 1.06 * max(one.speedup for one in points) + 0.1)
        axes.margins(y=0.2)
        axes.set_xlabel(f"throughput in batches, times dense {reference:.{_NAME}}")
        axes.set_ylabel(f"test {metric:.24}, points")
        figure.legend(loc="outside lower left", ncols=1, markerscale=0.5, fontsize=9)
        figure.draw_without_rendering()
        _number(axes, points)
        best = max(points, key=lambda one: one.speedup)
        return svg_of(figure, name, "Score over throughput", f"The fastest is {best.label}, {ratio(best.speedup)}.")


def _number(axes: Axes, points: Sequence[Point]) -> None:
    """Each number beside its circle, where no other number and no other circle's middle is."""
    middles = [tuple(axes.transData.transform((one.speedup, one.score))) for one in points]
    taken: list[tuple[float, float]] = list(middles)
    for number, (one, (x, y)) in enumerate(zip(points, middles, strict=True), 1):
        free = [(dx, dy) for dx, dy in _AROUND if all(_apart((x + dx, y + dy), other) for other in taken)]
        dx, dy = free[0] if free else _AROUND[0]
        taken.append((x + dx, y + dy))
        scale = 72.0 / axes.figure.dpi
        axes.annotate(
            str(number),
            (one.speedup, one.score),
            (dx * scale, dy * scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9,
            color=INK,
        )


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) > 11 or abs(one[1] - other[1]) > 11

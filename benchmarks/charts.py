"""Charts for docs/results*.md: what each recipe bought and cost, with the least and the largest of its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOK = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "axkit",  # the same figures make the same file
}


@dataclass(frozen=True)
class Point:
    """One recipe: figures of its runs.

    Attributes:
        speed: throughput in batches of 32, times the dense model's.
        moved: points of the metric on the test split, against the dense model.
    """

    speed: Sequence[float]
    moved: Sequence[float]


def draw(path: Path, metric: str, points: Mapping[str, Point]) -> None:
    """A chart as SVG; recipes stand at their means, bars reach from the least to the largest seed."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_LOOK):
        figure, axes = pyplot.subplots(figsize=(7.2, 0.9 + 0.36 * max(8, len(points))), layout="constrained")
        axes.axhline(0, color="0.6", linewidth=0.8)
        for place, (name, point) in enumerate(sorted(points.items(), key=lambda one: _mean(one[1].speed))):
            x, y = _mean(point.speed), _mean(point.moved)
            bars = [[[at - min(values)], [max(values) - at]] for at, values in ((x, point.speed), (y, point.moved))]
            axes.errorbar(x, y, xerr=bars[0], yerr=bars[1], fmt="o", color=f"C{place % 10}", capsize=2, label=name)
        axes.set_xlabel("throughput in batches of 32, times the dense model's")
        axes.set_ylabel(f"{metric}, points against the dense model")
        axes.grid(alpha=0.25)
        figure.legend(loc="outside right upper", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

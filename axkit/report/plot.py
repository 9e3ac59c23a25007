"""Small SVG plots of score over speed-up: the frontier that a search walked, and the recipes of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from axkit.ground.figures import quantity, ratio, score
from axkit.run.records import FrontierPoint

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 640, 320, 64, 24, 44, 24
_LINE = 18  # between lines of the legend
_LARGEST = 16  # radius of the largest model


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


class _Axes:
    """Maps (speed-up, score) to pixels; 1x is always in sight."""

    def __init__(self, speedups: Sequence[float], scores: Sequence[float]) -> None:
        xs = [1.0, *speedups]
        self.x_low, self.x_high = min(xs), max(max(xs), min(xs) + 0.1)
        self.y_low, self.y_high = min(scores) - 1, max(scores) + 1

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self.y_low) / (self.y_high - self.y_low) * (_HEIGHT - _BOTTOM - _TOP)

    def frame(self, x_title: str, y_title: str, height: float = _HEIGHT) -> list[str]:
        """The head of the file, the titles and the ends of the x axis."""
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" font-family="sans-serif" '
            'font-size="12">',
            f'<rect width="{_WIDTH}" height="{height:g}" fill="white"/>',
            _text(_WIDTH / 2, _HEIGHT - 8, x_title),
            _text(8, 14, y_title, "start"),
        ]
        return lines + [
            _text(self.x(tick), _HEIGHT - _BOTTOM + 18, f"{tick:.2f}x") for tick in (self.x_low, self.x_high)
        ]

    def level(self, score: float, words: str) -> list[str]:
        """A dashed line at a score."""
        at = self.y(score)
        return [
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="gray" '
            f'stroke-dasharray="4"/>',
            _text(_WIDTH - _RIGHT - 2, at - 5, words, "end"),
        ]


def _text(at_x: float, at_y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def frontier_svg(points: Sequence[FrontierPoint], dense_score: float, metric: str) -> str:
    """Score on the search split over speed-up.

    Args:
        points: models on the way of a search, one or more.
        dense_score: drawn as a line.
        metric: its name.
    """
    drawn = [(point.speedup, point.score) for point in points]
    axes = _Axes([px for px, _ in drawn], [dense_score, *(py for _, py in drawn)])
    titles = "throughput at batch 32, as a multiple of dense", f"{metric} on the search split, points"
    lines = [*axes.frame(*titles), *axes.level(dense_score, f"dense {score(dense_score)}")]
    path = " ".join(f"{axes.x(px):.1f},{axes.y(py):.1f}" for px, py in drawn)
    lines.append(f'<polyline points="{path}" fill="none" stroke="steelblue"/>')
    for px, py in drawn:
        lines.append(f'<circle cx="{axes.x(px):.1f}" cy="{axes.y(py):.1f}" r="4" fill="steelblue"/>')
        lines.append(_text(axes.x(px), axes.y(py) + 18, f"{ratio(px)} {score(py)}"))
    return "\n".join([*lines, "</svg>", ""])


def comparison_svg(points: Sequence[Point], metric: str, reference: str, dense_score: float) -> str:
    """Score on the test split over speed-up, one numbered circle per model, with a legend.

    Args:
        points: one or more; numbered from 1 in this order.
        metric: its name.
        reference: the model whose dense form is 1x.
        dense_score: of it; drawn as a line.
    """
    axes = _Axes([one.speedup for one in points], [dense_score, *(one.score for one in points)])
    height = _HEIGHT + _LINE * len(points) + 8
    titles = f"throughput at batch 32, as a multiple of dense {reference}", f"{metric} on the test split, points"
    lines = [*axes.frame(*titles, height), *axes.level(dense_score, f"dense {score(dense_score)}")]
    largest = max(one.size_bytes for one in points)
    for number, one in enumerate(points, 1):
        px, py, radius = axes.x(one.speedup), axes.y(one.score), _LARGEST * (one.size_bytes / largest) ** 0.5
        fill = "steelblue" if one.on_frontier else "none"
        lines.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity="0.5" '
            f'stroke="steelblue"/>'
        )
        lines.append(_text(px, py + 4, str(number)))
        words = (
            f"{number}  {one.label}: {score(one.score)}, {ratio(one.speedup)}, {quantity(one.size_bytes / 1e6, 1)} MB"
        )
        lines.append(_text(8, _HEIGHT + _LINE * number, words + ("" if one.on_frontier else " (behind)"), "start"))
    return "\n".join([*lines, "</svg>", ""])

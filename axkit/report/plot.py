"""The frontier that a search walked, as a small SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 320, 64, 44, 24


def frontier_svg(points: Sequence[Mapping[str, Any]], dense_score: float, metric: str) -> str:
    """Score on the search split over speed-up.

    Args:
        points: each with ``speedup``, and ``metric_search`` in points; others are left out.
        dense_score: drawn as a line.
        metric: its name.
    """
    drawn = [point for point in points if "metric_search" in point]
    xs = [1.0, *(float(point["speedup"]) for point in drawn)]
    ys = [dense_score, *(float(point["metric_search"]) for point in drawn)]
    x_low, x_high = min(xs), max(max(xs), min(xs) + 0.1)
    y_low, y_high = min(ys) - 1, max(ys) + 1

    def x(value: float) -> float:
        return _LEFT + (value - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - 24)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - y_low) / (y_high - y_low) * (_HEIGHT - _BOTTOM - _TOP)

    def text(at_x: float, at_y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<line x1="{_LEFT}" x2="{_WIDTH - 24}" y1="{y(dense_score):.1f}" y2="{y(dense_score):.1f}" '
        f'stroke="gray" stroke-dasharray="4"/>',
        text(_WIDTH - 26, y(dense_score) - 5, f"dense {dense_score:.2f}", "end"),
        text(_WIDTH / 2, _HEIGHT - 8, "throughput at batch 32, as a multiple of dense"),
        text(8, 14, f"{metric} on the search split, points", "start"),
    ]
    path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in zip(xs[1:], ys[1:], strict=True))
    lines.append(f'<polyline points="{path}" fill="none" stroke="steelblue"/>')
    for point in drawn:
        px, py = float(point["speedup"]), float(point["metric_search"])
        lines.append(f'<circle cx="{x(px):.1f}" cy="{y(py):.1f}" r="4" fill="steelblue"/>')
        lines.append(text(x(px), y(py) + 18, f"{px:.2f}x {py:.2f}"))
    for tick in (x_low, x_high):
        lines.append(text(x(tick), _HEIGHT - _BOTTOM + 18, f"{tick:.2f}x"))
    return "\n".join([*lines, "</svg>", ""])

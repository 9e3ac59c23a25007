"""Plots of a run: the road stage by stage, the frontier of a search, what is left, where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from axkit.anatomy.structure import Structure
from axkit.ground.figures import quantity, ratio, score
from axkit.report.plots.canvas import DENSE, GONE, INK, RESULT, canvas, plain, svg_of
from axkit.run.records import FrontierPoint, StageRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GROUPS = 24  # cells of the map for the neurons of a layer
_MOST_HEADS = 32  # that have a cell each
_MOST_CELLS = 1200  # of the whole map: those of a deep model are wider
_NAME = 22  # characters of a stage's name


def stage_names(stages: Sequence[StageRecord]) -> list[str]:
    """What each is called in a plot."""
    return [f"{one.applied.index + 1} {one.applied.name:.{_NAME}}" for one in stages]


def road_svg(stages: Sequence[StageRecord], metric: str) -> str:
    """Size, speed and score after each stage, side by side."""
    names = stage_names(stages)
    timed = [one.speed.beside.throughput_ratio if one.speed and one.speed.beside else 1.0 for one in stages]
    panels = (
        ("on disk, MB", [one.bytes / 1e6 for one in stages], _megabytes),
        ("throughput, times dense", timed, ratio),
        (f"search {metric:.24}, points", [one.search.score for one in stages], score),
    )
    rows = range(len(stages))
    with canvas(8.4, 0.9 + 0.34 * len(stages), ncols=3, sharey=True) as (figure, axes):
        for panel, (title, values, told) in zip(axes, panels, strict=True):
            plain(panel)
            bars = panel.barh(rows, values, color=[GONE if one.undone else RESULT for one in stages], height=0.62)
            panel.bar_label(bars, [told(value) for value in values], padding=3, color=INK, fontsize=9)
            panel.set_title(title, fontsize=10, loc="left", color=INK)
            panel.set_xticks([])
            panel.margins(x=0.28)
        axes[0].set_yticks(rows, names)
        axes[0].invert_yaxis()
        return svg_of(figure, "road", "The road", "Size on disk, throughput and search score after each stage.")


def _megabytes(value: float) -> str:
    return quantity(value, 1)


def frontier_svg(points: Sequence[FrontierPoint], dense_score: float, metric: str, name: str) -> str:
    """Score on the search split over speed-up, of the models on the way of a search."""
    xs, ys = [one.speedup for one in points], [one.score for one in points]
    with canvas(6.4, 3.4) as (figure, axes):
        axes.axhline(dense_score, color=DENSE, linestyle="--", linewidth=1.2, label=f"dense {score(dense_score)}")
        axes.plot(xs, ys, color=RESULT, marker="o", markersize=5, linewidth=1.4, label="on the way of the search")
        axes.set_xlim(min(1.0, *xs) * 0.97, max(1.1, *xs) * 1.04)
        axes.set_xlabel("throughput in batches, times dense")
        axes.set_ylabel(f"search {metric:.24}, points")
        axes.margins(y=0.15)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
        ends = f"From {ratio(xs[0])} at {score(ys[0])} points to {ratio(xs[-1])} at {score(ys[-1])}."
        return svg_of(figure, name, "Frontier", f"{ends} The dense model scores {score(dense_score)}.")


def map_svg(structure: Structure) -> str:
    """Each layer's heads and groups of neurons: full where kept, pale where gone."""
    layers = structure.layers
    room = max(4, _MOST_CELLS // (2 * len(layers)))
    heads, groups = min(structure.n_heads, _MOST_HEADS, room), min(_GROUPS, room)
    titles = ("attention heads", "feed-forward neurons")
    with canvas(8.4, 0.9 + 0.24 * len(layers), ncols=2, width_ratios=(heads, groups), sharey=True) as (figure, axes):
        for panel, title, cells in zip(axes, titles, (heads, groups), strict=True):
            plain(panel)
            panel.set_title(title, fontsize=10, loc="left", color=INK)
            panel.set_xlim(0, cells * 1.16)
            panel.set_xticks([])
        for row, layer in enumerate(layers):
            _cells(axes[0], row, layer.heads, structure.n_heads, heads)
            _cells(axes[1], row, layer.neurons, structure.ffn_width, groups)
        axes[0].set_yticks(range(len(layers)), [f"layer {at}" for at in range(len(layers))])
        axes[0].set_ylim(len(layers) - 0.4, -0.6)
        kept = f"{sum(len(one.heads) for one in layers)} of {len(layers) * structure.n_heads} heads"
        neurons = f"{sum(len(one.neurons) for one in layers)} of {len(layers) * structure.ffn_width} neurons"
        return svg_of(figure, "left", "What is left, layer by layer", f"Kept are {kept} and {neurons}.")


def _cells(panel: Axes, row: int, kept: Sequence[int], width: int, cells: int) -> None:
    """A row of cells, each as full as its share of what is kept."""
    bounds = [round(width * place / cells) for place in range(cells + 1)]
    there = set(kept)
    shares = [sum(one in there for one in range(low, high)) / max(1, high - low) for low, high in pairwise(bounds)]
    whole, left = 0.86, 0.35
    gone = [(at, whole) for at, share in enumerate(shares) if share < 1]
    panel.broken_barh(gone, (row - left, 2 * left), color=GONE, linewidth=0)
    full = [(at, whole * share) for at, share in enumerate(shares) if share]
    panel.broken_barh(full, (row - left, 2 * left), color=RESULT, linewidth=0)
    panel.text(cells + 0.1, row, f"{len(kept)}/{width}", va="center", fontsize=8, color=INK)


def time_svg(parts: Sequence[tuple[str, float]]) -> str:
    """Seconds of each part of a run."""
    names, seconds = [name for name, _ in parts], [value for _, value in parts]
    with canvas(6.4, 0.5 + 0.32 * len(parts)) as (figure, axes):
        plain(axes)
        bars = axes.barh(range(len(parts)), seconds, color=RESULT, height=0.62)
        axes.bar_label(bars, [f"{quantity(value)} s" for value in seconds], padding=3, color=INK, fontsize=9)
        axes.set_yticks(range(len(parts)), names)
        axes.set_xticks([])
        axes.margins(x=0.18)
        axes.invert_yaxis()
        most = max(parts, key=lambda part: part[1])
        return svg_of(figure, "time", "Where the time went", f"Most of it, {quantity(most[1])} s, on {most[0]}.")

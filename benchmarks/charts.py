"""Charts for docs/results*.md, drawn from the tables that stand there: a page has one source.

    python benchmarks/charts.py docs/results*.md

Under each heading with a table that can be drawn stands a chart above it: what each recipe bought and cost, with the
least and the largest of its seeds; how many times as fast as the dense model each runtime is in each scenario, or each
tool's model. ``benchmarks/results.py`` calls it for the page that it has written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

_LOOK = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "axkit",  # the same figures make the same file
}
_IMAGE = re.compile(r"^!\[.*\]\(assets/.*\.svg\)$")
_FIGURE = re.compile(r"^([+-]?[\d.]+)x?(?: \[([+-]?[\d.]+)x?, ([+-]?[\d.]+)x?\])?")
TIMES = "times the dense model's"


@dataclass(frozen=True)
class Span:
    """A figure of a table.

    Attributes:
        middle: mean or median.
        low: the least of seeds, or the lower end of an interval; ``middle`` where there is none.
        high: likewise.
    """

    middle: float
    low: float
    high: float

    @classmethod
    def read(cls, cell: str) -> Span | None:
        """Of ``1.77x [1.74x, 1.79x] (chance)``; None where it is no figure."""
        found = _FIGURE.match(cell)
        if found is None:
            return None
        middle, low, high = (float(found[group] or found[1]) for group in (1, 2, 3))
        return cls(middle, low, high)

    @property
    def bar(self) -> list[list[float]]:
        """How far it reaches, as error bars are given."""
        return [[self.middle - self.low], [self.high - self.middle]]


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        head: of its columns.
        rows: cells.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def column(self, ends: str) -> dict[str, Span]:
        """Figures by the first cell of their row, of the column whose head begins so; empty where there is none."""
        places = [place for place, name in enumerate(self.head) if name.startswith(ends)]
        found = {row[0]: Span.read(row[places[0]]) for row in self.rows} if places else {}
        return {name: span for name, span in found.items() if span is not None}


def tables_of(lines: Sequence[str]) -> Iterator[Table]:
    """Of a part of a page, in order."""
    rows: list[list[str]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            yield Table(rows[0], rows[2:])
            rows = []


def illustrate(page: Path) -> list[Path]:
    """Draw the charts of a page beside it, and have it show them; the files."""
    parts, made = _parts(page.read_text(encoding="utf-8").splitlines()), []
    for part in parts:
        title = part[0].removeprefix("## ")
        path = page.parent / "assets" / f"{page.stem}-{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}.svg"
        said = _drawn(path, title, list(tables_of(part)))
        if said:
            made.append(path)
            _show(part, f"![{said}](assets/{path.name})")
    page.write_text("\n".join(line for part in parts for line in part) + "\n", encoding="utf-8")
    return made


def _parts(lines: Sequence[str]) -> list[list[str]]:
    """What stands before the first heading of the second order, and each with what stands under it."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("## "):
            parts.append([])
        parts[-1].append(line)
    return parts


def _show(part: list[str], image: str) -> None:
    old = next((place for place, line in enumerate(part) if _IMAGE.match(line)), None)
    if old is not None:
        part[old] = image
        return
    first = next(place for place, line in enumerate(part) if line.startswith("|"))
    part[first:first] = [image, ""]


def _drawn(path: Path, title: str, tables: Sequence[Table]) -> str:
    """What a chart of the tables shows, where one was drawn."""
    change, speed = ({k: v for one in tables for k, v in one.column(name).items()} for name in ("change", "throughput"))
    if len(change.keys() & speed.keys()) > 1:
        points = {name: (speed[name], change[name]) for name in change if name in speed}
        _scatter(path, points, "points of the metric against the dense model")
        return f"What each recipe gains in throughput and moves in the metric on {title}; figures in the tables below."
    for table in tables:
        columns = {name: found for name in table.head[1:] if (found := _ratios(table, name))}
        if columns and table.head[0] in ("scenario", "model"):
            score = table.column("accuracy")
            labels = {
                row[0]: fill(row[0], 46) + (f"\n{score[row[0]].middle:.2f}" if score else "") for row in table.rows
            }
            _bars(path, columns, labels)
            beside = ", its accuracy beside its name" if score else ""
            return f"Times as fast as the dense model, by {table.head[0]}{beside}; the figures are in the table below."
    return ""


def _scatter(path: Path, points: Mapping[str, tuple[Span, Span]], y: str) -> None:
    """Recipes stand at their means, bars reach from the least to the largest seed."""
    with _figure(path, 0.9 + 0.36 * max(8, len(points))) as (figure, axes):
        axes.axhline(0, color="0.6", linewidth=0.8)
        for place, (name, (x, moved)) in enumerate(sorted(points.items(), key=lambda one: one[1][0].middle)):
            style = {"fmt": "os^D"[place // 10 % 4], "color": f"C{place % 10}", "capsize": 2, "label": name}
            axes.errorbar(x.middle, moved.middle, xerr=x.bar, yerr=moved.bar, **style)
        axes.set_xlabel(f"throughput in batches of 32, {TIMES}")
        axes.set_ylabel(y)
        figure.legend(loc="outside right upper", frameon=False)


def _bars(path: Path, columns: Mapping[str, Mapping[str, Span]], labels: Mapping[str, str]) -> None:
    """A group of bars for each row of a table, one for each of these columns."""
    width, lines = 0.8 / len(columns), max(label.count("\n") + 1 for label in labels.values())
    with _figure(path, 0.9 + max(0.45, 0.19 * lines) * len(labels)) as (figure, axes):
        for place, (name, found) in enumerate(columns.items()):
            at = [row + (place - (len(columns) - 1) / 2) * width for row in range(len(labels))]
            spans = [found[row] for row in labels]
            reach = [[one.middle - one.low for one in spans], [one.high - one.middle for one in spans]]
            axes.barh(at, [one.middle for one in spans], width, xerr=reach, label=name, error_kw={"linewidth": 0.8})
        axes.axvline(1, color="0.6", linewidth=0.8)
        axes.set_yticks(range(len(labels)), labels.values())
        axes.invert_yaxis()
        axes.set_xlabel(f"inputs a second, {TIMES}")
        figure.legend(loc="outside upper center", ncols=min(4, len(columns)), frameon=False)


def _ratios(table: Table, name: str) -> dict[str, Span]:
    """A column whose cells are all times the dense model's; empty where it is another."""
    cells = {row[0]: row[table.head.index(name)] for row in table.rows}
    found = {row: span for row, cell in cells.items() if "x [" in cell and (span := Span.read(cell)) is not None}
    return found if found.keys() == cells.keys() else {}


@contextmanager
def _figure(path: Path, height: float) -> Iterator[tuple[Any, Any]]:
    """Axes to draw on; an SVG when they are left."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_LOOK):
        figure, axes = pyplot.subplots(figsize=(7.6, height), layout="constrained")
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
        yield figure, axes
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


if __name__ == "__main__":
    for named in sys.argv[1:]:
        print(named, *(path.name for path in illustrate(Path(named))))

"""A report as one HTML file: what stands in it, put into the templates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from axkit.contract.manifest import TORCH
from axkit.report.page.answers import Answers, answers_of
from axkit.report.page.figures import Card, Grid, cards, compared
from axkit.report.page.figures import metrics as metrics_of
from axkit.report.page.figures import options as options_of
from axkit.report.page.stages import Stage, Tabled, stages_of, tables_of, time_parts
from axkit.report.page.templates import Drawn, rendered
from axkit.report.page.use import Line, ways_to_use
from axkit.report.plots import road
from axkit.report.text import data_line, machine_line
from axkit.report.words import control_lines, gain_lines, headline, how_measured, left_out_lines, recommend_lines
from axkit.run.records import StageRecord
from axkit.run.report import Report
from axkit.tasks.about import About

PAGE = "report.html"


@dataclass(frozen=True)
class Compared:
    """The two models beside each other.

    Attributes:
        figures: the table of the final comparison.
        how: that was measured, sentences.
        metrics: a table of all metrics; None where there is but one.
    """

    figures: Grid
    how: tuple[str, ...]
    metrics: Grid | None


@dataclass(frozen=True)
class Serve:
    """What to serve on the machine that measured.

    Attributes:
        lines: sentences; empty where there was nothing to choose from.
        options: what was timed for that; None likewise.
    """

    lines: tuple[str, ...]
    options: Grid | None


@dataclass(frozen=True)
class Page:
    """What stands on the page, part by part.

    Attributes:
        report: that it is of.
        headline: sentences.
        cards: (figure, what it is, more about it) to be seen first.
        compared: the two models.
        serve: what to serve here.
        stages: the road.
        drawn: plots by name; those that have nothing to show are not there.
        tables: what passes told.
        answers: of the two models; None in a report of before they were kept.
        data: a sentence.
        machine: a sentence.
        ways: to use the result.
    """

    report: Report
    headline: tuple[str, ...]
    cards: tuple[Card, ...]
    compared: Compared
    serve: Serve
    stages: tuple[Stage, ...]
    drawn: Drawn
    tables: tuple[Tabled, ...]
    answers: Answers | None
    data: str
    machine: str
    ways: tuple[Line, ...]


def page_of(report: Report, about: About, runtime: str = TORCH) -> str:
    """The whole page.

    Args:
        report: of a run.
        about: what the run's folder says of its task.
        runtime: that answers in it.

    Returns:
        HTML in one piece. Texts of users are data: they come out as they are, and do nothing.
    """
    return rendered("report.html", page=_page(report, about, runtime))


def _page(report: Report, about: About, runtime: str) -> Page:
    summary = report.summary
    control = [line for line in control_lines(summary.control) if line]
    return Page(
        report=report,
        headline=tuple(headline(summary).split("\n")),
        cards=cards(summary),
        compared=Compared(
            compared(summary),
            (how_measured(summary), *gain_lines(summary), *control, *filter(None, left_out_lines(report.left_out))),
            metrics_of(summary.quality),
        ),
        serve=Serve(
            tuple(recommend_lines(summary.recommend, report.machine.timed_on(summary.spent.where))),
            options_of(summary.recommend) if summary.recommend else None,
        ),
        stages=stages_of(report.stages),
        drawn=_drawn(report),
        tables=tables_of(report.stages),
        answers=answers_of(report.answers) if report.answers else None,
        data=data_line(summary.rows),
        machine=machine_line(report.machine, summary.spent),
        ways=ways_to_use(report, about, runtime),
    )


def _drawn(report: Report) -> Drawn:
    """The plots of the run itself; nothing where matplotlib is not there."""
    drawn, metric = Drawn(), report.summary.quality.metric_name
    drawn.add("road", lambda: road.road_svg(report.stages, metric))
    drawn.add("left", lambda: road.map_svg(report.stages[-1].structure))
    drawn.add("time", lambda: road.time_svg(time_parts(report)))
    for stage in report.stages:
        if len(stage.told.frontier) > 1:
            drawn.add(f"frontier-{stage.applied.index}", partial(_frontier, stage, report))
    return drawn


def _frontier(stage: StageRecord, report: Report) -> str:
    quality, dense = report.summary.quality, report.summary.searched.dense.score
    return road.frontier_svg(stage.told.frontier, dense, quality.metric_name, f"frontier-{stage.applied.index}")

"""The model card of a run: metadata as the hub reads them, use, figures, limits, the recipe word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from axkit.contract.manifest import TORCH, Manifest
from axkit.contract.registered import load_pass
from axkit.ground.errors import AxkitError
from axkit.ground.figures import score
from axkit.report.page.use import kind_named, placed
from axkit.report.tables import metric_rows, summary_rows, table_lines
from axkit.report.words import headline, how_measured, left_out_lines
from axkit.run.report import Report
from axkit.tasks.about import About
from axkit.tasks.kinds.kind import Kind

CARD = "README.md"
_PIPELINES = {"sequence-classification": "text-classification"}  # where the hub's word is not that of the class
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def card_of(report: Report, manifest: Manifest, model: str, again: str = "") -> str:
    """The whole card.

    Args:
        report: of a run.
        manifest: of its folder.
        model: that the run started from, as its recipe has it.
        again: where the folder was made of the run's, what of: its figures are those of that one, and are told to a
            reader alone.
    """
    kind = kind_named(manifest.about)
    lines = [
        f"# {report.name}",
        "",
        *([again, ""] if again else []),
        *headline(report.summary).split("\n"),
        "",
        *_used(report, kind, manifest),
        "## Figures of the folder that it was made of" if again else "## Figures",
        "",
        *table_lines(("figure", "dense", "result", "change"), summary_rows(report.summary)),
        "",
        *_metrics(report),
        how_measured(report.summary),
        "",
        "## Limits",
        "",
        *(f"- {one}" for one in _limits(report, manifest)),
        "",
        "## How it was made",
        "",
        f"By `axkit apply` with this recipe, from `{model}`:",
        "",
        *_fenced(report.recipe, "yaml"),
        "",
    ]
    if report.overrides:
        lines += ["with " + ", ".join(f"`{one}`" for one in report.overrides) + ".", ""]
    lines += left_out_lines(report.left_out)
    return f"---\n{_metadata(report, manifest, kind, model, not again)}\n---\n\n" + "\n".join(lines)


def _metadata(report: Report, manifest: Manifest, kind: Kind | None, model: str, measured: bool) -> str:
    """YAML as huggingface_hub writes it; without figures where they are another folder's."""
    from huggingface_hub import EvalResult, ModelCardData

    pipeline, data = pipeline_of(kind) if kind else "other", _dataset(manifest.about)
    told = list(_told_to_the_hub(report)) if measured else []
    results = [
        EvalResult(
            task_type=pipeline,
            dataset_type=data,
            dataset_name=data,
            dataset_split="test",
            metric_type=name,
            metric_name=f"{name}, points",
            metric_value=round(value, 2),
        )
        for name, value in told
    ]
    found = ModelCardData(
        model_name=report.name,
        library_name="transformers" if manifest.runtime == TORCH else None,
        pipeline_tag=pipeline if kind else None,
        base_model=model if _is_hub_id(model) else None,
        tags=["axkit", *dict.fromkeys(stage.applied.name for stage in report.stages if not stage.undone)],
        metrics=[name for name, _ in told] or None,
        eval_results=results or None,
    )
    return str(found.to_yaml())


def _told_to_the_hub(report: Report) -> Iterator[tuple[str, float]]:
    """Metrics of all rows and all classes; the one that decides first."""
    quality = report.summary.quality
    yield quality.metric_name, quality.result.points
    for name, value in quality.result.metrics.items():
        if name != quality.metric_name and re.fullmatch(r"\w+", name):
            yield name, value


def pipeline_of(kind: Kind) -> str:
    """What the hub calls what such a model does: ``TokenClassification`` -> ``token-classification``."""
    own = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.head).lower()
    return _PIPELINES.get(own, own)


def _dataset(about: About) -> str:
    """Its name; files are not named, as a card is for others."""
    return about.named or ("own files" if about.task else "unknown")


def _is_hub_id(model: str) -> bool:
    return bool(_HUB_ID.fullmatch(model)) and not Path(model).exists()


def _used(report: Report, kind: Kind | None, manifest: Manifest) -> list[str]:
    folder = placed(report.name)
    if manifest.runtime == TORCH and kind is not None:
        known = [] if manifest.is_stock else ["import axkit  # or, without it: pipeline(..., trust_remote_code=True)"]
        asked = f'ask = pipeline("{pipeline_of(kind)}", "{folder}")'
        lines = "\n".join([*known, "from transformers import pipeline", asked])
        return ["## Use", "", *_fenced(lines, "python"), ""]
    return ["## Use", "", *_fenced(f'axkit predict {folder} "..."', "sh"), ""]


def _metrics(report: Report) -> list[str]:
    rows = [row for row in metric_rows(report.summary.quality) if re.fullmatch(r"\w+", row[0])]
    if len(rows) < 2:
        return []
    return [*table_lines(("test", "dense", "result", "change", "best constant"), rows), ""]


def _limits(report: Report, manifest: Manifest) -> Iterator[str]:
    summary = report.summary
    rows, quality, data = summary.rows, summary.quality, _dataset(manifest.about)
    yield f"Measured on {rows.used.test} test rows of {data}, in one run; other data may say otherwise."
    if quality.change.resolution is not None:
        least = score(quality.change.resolution)
        yield f"A loss of less than about {least} points would not have been seen on these rows."
    if report.answers is not None and any(report.answers.counts):
        moved = f"{report.answers.changed} of {report.answers.rows}"
        yield f"{moved} test rows are answered otherwise than by the dense model: a mean hides them."
    if rows.truncated.test:
        yield f"{rows.truncated.test} of the test rows are longer than what the model reads; the rest was cut off."
    if quality.constant is not None:
        luck = f"{score(quality.constant.points)} ({quality.constant.answer})"
        yield f"One and the same answer to every row scores {luck}; read the score above against that."
    for name, where in _bound(report):
        yield f"`{name}` leaves a model for {where} alone; elsewhere it is slower or does not run."
    yield "Speed was measured on one machine, in turn with the dense model: on another the ratio will be another, too."
    if summary.baseline.is_untrained:
        yield "The dense model was never trained for the task: that the result is better than it says nothing."


def _bound(report: Report) -> Iterator[tuple[str, str]]:
    """Passes whose results are for some devices alone."""
    for stage in report.stages:
        try:
            targets = load_pass(stage.applied.name).pass_class.targets
        except AxkitError:  # a report may be looked at where the pass is not
            continue
        if targets and not stage.undone:
            yield stage.applied.name, " or ".join(sorted(targets))


def _fenced(text: str, language: str) -> list[str]:
    """A block of code whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text.rstrip(), fence]

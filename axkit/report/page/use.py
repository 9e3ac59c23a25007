"""How to use a result: commands and lines of Python that work on its folder."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from axkit.contract.manifest import TORCH
from axkit.ground.errors import AxkitError
from axkit.run.report import Report
from axkit.tasks.about import About
from axkit.tasks.kinds.kind import Kind, kind_of

_SAMPLE = {"tokens": "A fine story, told well.", "pixels": "image.png"}


@dataclass(frozen=True)
class Line:
    """A way to use the result.

    Attributes:
        what: it does.
        code: to be typed.
    """

    what: str
    code: str


def kind_named(about: About) -> Kind | None:
    """The kind of a folder's task; None where it says none, or it is not installed here."""
    if about.kind is None:
        return None
    try:
        return kind_of(about.kind)
    except AxkitError:
        return None


def placed(name: str) -> str:
    """The folder that commands name, where a run of that name was written as it is by default."""
    return f"runs/{name}"


def ways_to_use(report: Report, about: About, runtime: str = TORCH) -> tuple[Line, ...]:
    """On the folder that the report lies in, by the runtime that answers there."""
    folder, kind = placed(report.name), kind_named(about)
    texts = [_SAMPLE[kind.inputs if kind else "tokens"]]
    if kind is not None and min(kind.takes) == 2:
        texts = ["Who told it?", "A fine story, told well by Ann."]
    asked = " ".join(shlex.quote(text) for text in texts)
    return (
        Line("Ask it", f"axkit predict {shlex.quote(folder)} {asked}"),
        Line("Time it here", f"axkit bench {shlex.quote(folder)}"),
        Line("Score it again", f"axkit eval {shlex.quote(folder)}"),
        Line("In Python", python_lines(folder, kind) if runtime == TORCH else _of_any_runtime(folder, texts)),
    )


def _of_any_runtime(folder: str, texts: list[str]) -> str:
    asked = json.dumps(texts[0]) if len(texts) == 1 else f"({', '.join(map(json.dumps, texts))})"
    return f"import axkit\nmodel = axkit.Predictor.open({json.dumps(folder)})\nmodel.predict_many([{asked}])"


def python_lines(folder: str, kind: Kind | None) -> str:
    """Three lines that load the model with transformers."""
    reader = "AutoImageProcessor" if kind is not None and kind.inputs == "pixels" else "AutoTokenizer"
    place = json.dumps(folder)
    return (
        f"import axkit; from transformers import {reader}\n"
        f"model = axkit.load({place})\n"
        f"reader = {reader}.from_pretrained({place})"
    )

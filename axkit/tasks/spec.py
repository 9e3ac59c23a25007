"""A task as data: what to read, which columns, what is scored. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from axkit import registry
from axkit.errors import RecipeError, did_you_mean
from axkit.recipe import Location, fault_sentence

Row = Mapping[str, Any]
SplitName = Literal["train", "search", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "search", "test")
METRICS = {"classification": ("accuracy", "matthews", "f1"), "regression": ("pearson", "spearman")}


class TaskSpec(BaseModel):
    """A task: where its rows are and what they mean.

    In a recipe::

        task:
          kind: classification
          files: {train: train.jsonl, test: test.jsonl}   # search: held out of train where missing
          text: sentence                                  # or two columns: [premise, hypothesis]
          label: label
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["classification", "regression"]
    text: str | list[str] = Field(description="Column of the text, or two columns for a pair.")
    label: str = Field(description="Column of the label (integer or name) or of the score.")
    files: dict[SplitName, str] | None = Field(None, description="Split -> JSONL, CSV, TSV or Parquet file.")
    hub: str | None = Field(None, description="Hub data set, 'name' or 'name:configuration'.")
    hub_splits: dict[SplitName, str] | None = Field(None, description="Split -> its name on the hub.")
    label_names: list[str] | None = Field(None, description="Names of labels 0, 1, ...; read off train where missing.")
    metric: str | None = Field(None, description="accuracy, matthews, f1; pearson, spearman. The first is the default.")
    max_length: int = Field(128, ge=8, le=8192, description="Tokens; longer inputs are truncated and counted.")

    @model_validator(mode="after")
    def _consistent(self) -> TaskSpec:
        if self.metric is not None and self.metric not in METRICS[self.kind]:
            raise ValueError(f"has metric '{self.metric}'{did_you_mean(self.metric, METRICS[self.kind])}")
        if len(self.columns) not in (1, 2):
            raise ValueError("takes one or two text columns")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns, one or two."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def metric_name(self) -> str:
        """The metric that decisions are made on."""
        return self.metric or METRICS[self.kind][0]


@dataclass(frozen=True)
class Task:
    """What an ``axkit.tasks`` entry point gives: a spec, and where its rows come from.

    Attributes:
        name: as registered or as written.
        spec: kind, columns, metric.
        rows: reads the splits; None where ``spec.files`` or ``spec.hub`` says it.
        description: one line for ``axkit tasks``.
    """

    name: str
    spec: TaskSpec
    rows: Callable[[], Mapping[SplitName, list[Row]]] | None = None
    description: str = ""


def resolve(wanted: str | Mapping[str, Any], place: Callable[[Location], str]) -> Task:
    """The task that a recipe names or describes. Reads no data.

    Args:
        wanted: a registered name, or a description.
        place: words where a location of the recipe is, for messages.

    Raises:
        RecipeError: unknown name, or a description with faults (all of them).
    """
    at: Location = ("task",)
    if isinstance(wanted, str):
        known = registry.entries(registry.TASKS)
        if wanted not in known:
            hint = did_you_mean(wanted, list(known))
            raise RecipeError(f"{place(at)}: unknown task '{wanted}'{hint}")
        task: Task = known[wanted].load()
        return task
    try:
        spec = TaskSpec.model_validate(wanted)
    except ValidationError as error:
        raise RecipeError(
            [
                fault_sentence(f, TaskSpec, place((*at, *f["loc"])), "the task").replace("'' of", "")
                for f in error.errors()
            ]
        ) from error
    if (spec.files is None) == (spec.hub is None):
        raise RecipeError(f"{place(at)}: a task reads either 'files' or 'hub'; give exactly one of them")
    if spec.files is not None and not {"train", "test"} <= set(spec.files):
        raise RecipeError(f"{place((*at, 'files'))}: 'files' needs a train and a test file")
    return Task("files" if spec.files else str(spec.hub), spec)

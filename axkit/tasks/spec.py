"""A task as data: what to read, which columns, what is scored. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from axkit.ground import fence, registry
from axkit.ground.errors import RecipeError, did_you_mean
from axkit.ground.plain.tree import Location
from axkit.ground.wording import fault_sentence
from axkit.tasks.kinds.kind import Kind, kind_names, kind_of, metric_names, metric_of
from axkit.tasks.shares import Shares, check_shares
from axkit.tasks.task_file import opened, unknown_task

Row = Mapping[str, Any]
"""One row of a task: column -> what stands there."""
SplitName = Literal["train", "search", "test"]
"""What rows are for: to train on, to decide on, or to be scored on once all is decided."""
SPLITS: tuple[SplitName, ...] = ("train", "search", "test")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RowSettings(_Settings):
    """What kind of task it is, and which columns of a row it takes."""

    kind: str = Field(description="Of task: `axkit kinds` lists them.")
    text: str | list[str] | None = Field(
        None, description="Column of the text, or two for a pair; of the words; question and context."
    )
    image: str | None = Field(None, description="image_classification: column of the image, a path or an image.")
    label: str | list[str] | None = Field(
        None,
        description="Column of the label (integer or name), score, labels, tags or answers; multi_label also takes "
        "several columns of 0 and 1.",
    )
    labels: Literal["none"] | None = Field(
        None, description="none: no column has labels; the dense model's own answers stand in their place."
    )
    id: str | None = Field(None, description="Column of a row's own name; no two rows of a split may share it.")


class SourceSettings(_Settings):
    """Where a task's rows are, and how their files are read."""

    files: dict[SplitName, str | list[str]] | None = Field(
        None,
        description="Split -> JSONL, CSV, TSV, Parquet, SQuAD JSON or CoNLL file, or several; for images also a "
        "folder with a folder for each label.",
    )
    header: bool | list[str] | None = Field(
        None,
        description="Names of the columns of a CSV, TSV or CoNLL file whose first line is a row; true or false where "
        "the first line names them, or nothing does and they are called 0, 1, ... True for CSV and TSV where missing.",
    )
    sep: str | None = Field(
        None,
        description="What parts the columns of a CSV, TSV or CoNLL file; by the suffix where missing: a comma, a tab, "
        "tabs where a CoNLL file has any and white space where not.",
    )
    quoting: Literal["minimal", "none"] | None = Field(
        None,
        description="Whether fields of a CSV or TSV file may stand in quotes (minimal), or quotes are characters of "
        "the text (none); by the suffix where missing: minimal for CSV, none for TSV.",
    )
    label_sep: str | None = Field(None, description="multi_label: what parts the labels, where they are one text.")
    hub: str | None = Field(None, description="Hub data set, 'name' or 'name:configuration'.")
    hub_splits: dict[SplitName, str | list[str]] | None = Field(
        None, description="Split -> its name on the hub, or several."
    )
    split: Shares | None = Field(
        None,
        description="What is held out of train, by a hash of each row and in each class alike, where no file has it: "
        "{test: 0.2, search: 0.15}.",
    )

    @field_validator("files", mode="before")
    @classmethod
    def _one_file(cls, files: Any) -> Any:
        """One file, or several, without a name of a split: all rows, to be split."""
        return {"train": files} if isinstance(files, str | list) else files

    @property
    def shares(self) -> dict[SplitName, float]:
        """Split -> the share of all rows that is held out for it; empty where each split is a file of its own."""
        named: tuple[SplitName, ...] = ("test", "search")
        found = {name: getattr(self.split, name, None) for name in named}
        return {name: share for name, share in found.items() if share is not None}


class LabelSettings(_Settings):
    """What labels are called, and what is scored."""

    label_names: list[str] | None = Field(None, description="Names of labels 0, 1, ...; read off train where missing.")
    label_map: dict[str, str | int] | None = Field(
        None,
        description="Label of the data -> what the model's head calls it (id2label in config.json), or an output"
        "'s number, where the two differ; several may become one. Without a head, the new name.",
    )
    metric: str | list[str] | None = Field(
        None,
        description="What decisions are made on, or a list of which the first is; the kind's first where missing.",
    )


class LengthSettings(_Settings):
    """How much of a row is read, and of an answer looked for."""

    max_length: int = Field(128, ge=8, le=8192, description="Tokens; longer inputs are truncated and counted.")
    stride: int = Field(64, ge=0, le=4096, description="question_answering: tokens that two windows share.")
    max_answer_tokens: int = Field(30, ge=1, le=512, description="question_answering: of a predicted answer.")
    no_answer_threshold: float | None = Field(
        None,
        description="question_answering with unanswerable questions: no answer is given where its score exceeds that "
        "of the best span by more than this. None where every question has an answer: one is always given.",
    )


# Pydantic takes fields from the last base on: that order is the one of messages and of stored keys.
class TaskSpec(LengthSettings, LabelSettings, SourceSettings, RowSettings):
    """A task: where its rows are and what they mean (docs/tasks.md).

    In a recipe:

        task:
          kind: classification
          files: {train: train.jsonl, test: test.jsonl}   # search: held out of train where missing
          text: sentence                                  # or two columns: [premise, hypothesis]
          label: label
    """

    @field_validator("kind")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in kind_names():
            raise ValueError(f"names no kind of task{did_you_mean(name, kind_names())}")
        return name

    @model_validator(mode="after")
    def _consistent(self) -> TaskSpec:
        kind = kind_of(self.kind)
        self._check_metrics(kind)
        needed, other = ("image", "text") if kind.inputs == "pixels" else ("text", "image")
        if getattr(self, needed) is None:
            raise ValueError(f"needs '{needed}', the column of the {needed}")
        if getattr(self, other) is not None:
            raise ValueError(f"is one of {self.kind}, which takes '{needed}' and no '{other}'")
        if len(self.columns) not in kind.takes:
            raise ValueError(f"takes {' or '.join(('one', 'two')[n - 1] for n in kind.takes)} text columns")
        self._check_labels()
        if isinstance(self.label, list) and not kind.several_columns:
            raise ValueError("takes one label column; only multi_label takes several")
        self._check_reading()
        check_shares(list(self.shares.items()), self.files or self.hub_splits or {})
        if self.label_sep is not None and not (kind.several_columns and self.label_sep):
            raise ValueError("has 'label_sep', which multi_label takes, and which is not empty")
        return self

    def _check_labels(self) -> None:
        """Refuse a task that says nothing of its labels, or two things."""
        if self.label is None and self.labels is None:
            raise ValueError("needs 'label', the column of the label; or 'labels: none', where no column has any")
        if self.labels is not None:
            for setting in ("label", "label_map", "label_sep"):
                if getattr(self, setting) is not None:
                    raise ValueError(f"has '{setting}' beside 'labels: none'; take one of the two out")

    def _check_metrics(self, kind: Kind) -> None:
        """Refuse metrics that there are not, or that do not fit the kind; the first must be one to decide on."""
        for name in self.metric_names:
            if name not in metric_names(kind):
                raise ValueError(f"has metric '{name}'{did_you_mean(name, metric_names(kind))}")
            metric_of(kind, name)  # a stranger's says itself what it fits
        if not metric_of(kind, self.metric_name).decides:
            raise ValueError(
                f"has metric '{self.metric_name}' first, on which nothing can be decided; put one before it that is "
                f"one number and rises as models get better, such as '{kind.metrics[0].name}'"
            )

    def _check_reading(self) -> None:
        """Refuse settings that name something twice, or part columns by what is none."""
        for setting in ("header", "label_names", "text", "label"):
            names = getattr(self, setting)
            doubles = [name for name, count in Counter(names if isinstance(names, list) else ()).items() if count > 1]
            if doubles:
                raise ValueError(f"names '{doubles[0]}' twice in '{setting}'; each may stand there once")
        if self.sep is not None and self.sep != "\\t" and (len(self.sep) != 1 or self.sep in '"\r\n\0'):
            raise ValueError("takes one character as 'sep', and no quote or line end")
        if self.label_names is not None and not all(name.strip() for name in self.label_names):
            raise ValueError("has an empty name in 'label_names'; a label needs one")

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns, one or two; the column of the image."""
        found = self.image if self.text is None else self.text
        return (found,) if isinstance(found, str) else tuple(found or ())

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The label column; several for a multi-label task whose labels have a column each."""
        return (self.label,) if isinstance(self.label, str) else tuple(self.label or ())

    @property
    def is_unlabelled(self) -> bool:
        """Whether the dense model's answers stand in the place of labels."""
        return self.labels == "none"

    def told(self, metric: str) -> str:
        """What a metric is called where it is told: held against another model's answers it is an agreement."""
        return metric_of(kind_of(self.kind), metric).agreement if self.is_unlabelled else metric

    def renamed(self, label: str) -> str:
        """What a label of the data is called by the model."""
        return str((self.label_map or {}).get(label, label))

    @property
    def metric_names(self) -> tuple[str, ...]:
        """All metrics that are told; the first decides."""
        wanted = self.metric or kind_of(self.kind).metrics[0].name
        return (wanted,) if isinstance(wanted, str) else tuple(wanted)

    @property
    def metric_name(self) -> str:
        """The metric that decisions are made on."""
        return self.metric_names[0]


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


def _fenced(entry: registry.Entry, rows: Callable[[], Mapping[SplitName, list[Row]]]) -> Mapping[SplitName, list[Row]]:
    """The rows of a registered task; what goes wrong in a stranger's is told by distribution."""
    with fence.answering(entry.who, "could not read its rows", entry.is_ours, limited=False):
        return dict(rows())


def resolve(wanted: str | Mapping[str, Any], place: Callable[[Location], str]) -> Task:
    """The task that a recipe names or describes. Reads no data.

    Args:
        wanted: a registered name, the path of a YAML file with a description, or a description.
        place: words where a location of the recipe is, for messages.

    Raises:
        RecipeError: unknown name, or a description with faults (all of them).
    """
    at: Location = ("task",)
    wanted, place = opened(wanted, place)
    if isinstance(wanted, str):
        known = registry.entries(registry.TASKS)
        if wanted not in known:
            raise RecipeError(f"{place(at)}: {unknown_task(wanted)}")
        entry = known[wanted]
        task: Task = entry.load_as(Task, "an axkit.Task")
        return task if task.rows is None else replace(task, rows=partial(_fenced, entry, task.rows))
    try:
        spec = TaskSpec.model_validate(wanted)
    except ValidationError as error:
        raise RecipeError(
            [fault_sentence(f, TaskSpec, place((*at, *f["loc"])), "the task") for f in error.errors()]
        ) from error
    if (spec.files is None) == (spec.hub is None):
        raise RecipeError(f"{place(at)}: a task reads either 'files' or 'hub'; give exactly one of them")
    if spec.files is not None and not ("train" in spec.files and {"test"} & {*spec.files, *spec.shares}):
        raise RecipeError(
            f"{place((*at, 'files'))}: 'files' needs a train and a test file, or train's and 'split: {{test: 0.2}}'"
        )
    return Task("files" if spec.files else str(spec.hub), spec)

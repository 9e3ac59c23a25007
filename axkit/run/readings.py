"""The rows of a run as each subject's reader makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from axkit.contract.reader import Reader
from axkit.contract.subject import Subject
from axkit.ground.progress import Progress
from axkit.run.planning import Plan
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import SplitName
from axkit.tasks.split import Split
from axkit.tasks.unlabelled import Answers

Splits = Mapping[SplitName, Split]  # "train", "search", "test"


@dataclass
class Readings:
    """Rows are made once for a reader; the dense model and the model as it is now may have different ones.

    Attributes:
        plan: whose rows.
        limit: tokens that the model takes.
        made: of the readers that are in use.
        answers: of the dense model to each split, where they stand in the place of labels.
    """

    plan: Plan
    limit: int
    made: list[tuple[Reader, Splits]] = field(default_factory=list)
    answers: Mapping[SplitName, Answers] = field(default_factory=dict)

    def by(self, reader: Reader) -> Splits:
        """All splits, as a reader makes them."""
        for known, splits in self.made:
            if known is reader:
                return splits
        spec = self.plan.task.spec
        kind = KINDS[spec.kind]
        splits = {n: Split(part, spec, kind, reader, self.limit) for n, part in self.rows.items()}
        splits = {n: self.answers[n].asked_of(split) if n in self.answers else split for n, split in splits.items()}
        self.made.append((reader, splits))
        return splits

    @property
    def rows(self) -> Mapping[SplitName, SplitRows]:
        """Of each split: texts and labels, or the answers that stand in their place."""
        rows = self.plan.rows.splits
        return {**rows, **{name: found.as_labels(rows[name]) for name, found in self.answers.items()}}

    def answered(self, subject: Subject, progress: Progress) -> Readings:
        """The same rows with a model's answers in the place of the labels that they lack."""
        progress.say("The rows have no labels: the model is asked, and its answers stand in their place")
        answers = {name: Answers.of(subject.body, split, progress) for name, split in self.by(subject.reader).items()}
        return Readings(self.plan, self.limit, answers=answers)

    def keep(self, *readers: Reader) -> None:
        """Drop what other readers made."""
        self.made = [(known, splits) for known, splits in self.made if any(known is one for one in readers)]

"""The rows of a run as each subject's reader makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from axkit.contract.reader import Reader
from axkit.run.planning import Plan
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.split import Split

Splits = Mapping[str, Split]  # "train", "search", "test"


@dataclass
class Readings:
    """Rows are made once for a reader; the dense model and the model as it is now may have different ones.

    Attributes:
        plan: whose rows.
        limit: tokens that the model takes.
        made: of the readers that are in use.
    """

    plan: Plan
    limit: int
    made: list[tuple[Reader, Splits]] = field(default_factory=list)

    def by(self, reader: Reader) -> Splits:
        """All splits, as a reader makes them."""
        for known, splits in self.made:
            if known is reader:
                return splits
        spec = self.plan.task.spec
        kind = KINDS[spec.kind]
        splits = {n: Split(part, spec, kind, reader, self.limit) for n, part in self.plan.rows.splits.items()}
        self.made.append((reader, splits))
        return splits

    def keep(self, *readers: Reader) -> None:
        """Drop what other readers made."""
        self.made = [(known, splits) for known, splits in self.made if any(known is one for one in readers)]

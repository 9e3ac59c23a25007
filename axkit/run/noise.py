"""Budgets that are less than a plan's rows can tell. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from axkit.measure.noise import told
from axkit.run.planning import Plan
from axkit.tasks.kinds.data import rows_of


def doubts(plan: Plan) -> list[str]:
    """Sentences on budgets that the rows which judge them cannot resolve; none where labels are scores.

    The search split judges a stage; the test split is what the report's figure is of.
    """
    if rows_of(plan.task.spec.kind).label_type is np.float64:
        return []
    points = min(_budgets(plan), default=0.0)
    found = (told(points, len(plan.rows.splits[name]), name) for name in ("search", "test"))
    return [sentence for sentence in found if sentence]


def _budgets(plan: Plan) -> Iterator[float]:
    for step in plan.steps:
        asked = "max_drop" in step.config.model_fields_set  # a default nobody may have meant
        allowed = (
            step.budget.max_drop if step.budget else None,
            getattr(step.config, "max_drop", None) if asked else None,
        )
        yield from (float(one) for one in allowed if isinstance(one, int | float) and one > 0)

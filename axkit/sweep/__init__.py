"""Recipes x tasks x seeds: planned all at once, run one by one or on Ray, compared in one table.

Planning imports no torch.
"""

from axkit.sweep.plan import PlannedRun, Wanted, plan_sweep
from axkit.sweep.run import Outcome
from axkit.sweep.whole import failure, runner_of, sweep

__all__ = ["Outcome", "PlannedRun", "Wanted", "failure", "plan_sweep", "runner_of", "sweep"]

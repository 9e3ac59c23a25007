"""One goal, one command: a model and its rows are looked at, a recipe is written, tried in steps, and run."""

from axkit.goal.outcome import Compressed as Compressed
from axkit.goal.settings import Goal as Goal
from axkit.goal.whole import compress as compress

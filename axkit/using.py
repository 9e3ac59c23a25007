"""Moved to ``axkit.finished.use``."""

import warnings

from axkit.finished.use import Scored, bench, evaluate, predict

__all__ = ["Scored", "bench", "evaluate", "predict"]

warnings.warn("axkit.using has moved: import from axkit.finished.use", DeprecationWarning, stacklevel=2)

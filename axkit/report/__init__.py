"""The run folder: the model, and the proof beside it."""

from axkit.report.run_folder import write_run

__all__ = ["write_run"]

"""The run folder: the model, and the proof beside it."""

from axkit.report.run_folder import write_run, write_run_beside

__all__ = ["write_run", "write_run_beside"]

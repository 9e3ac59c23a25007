"""Optional packages."""

from axkit.ground.extras import refuse_missing as refuse_missing

__all__ = ["refuse_missing"]

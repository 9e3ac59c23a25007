"""The twin of a module of yours where axkit is not."""

from __future__ import annotations

from axkit.anatomy.plain import Plain as Plain

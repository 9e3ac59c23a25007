"""Roles of linear layers that the settings of a quantizer speak of. Imports no torch."""

from __future__ import annotations

from typing import Literal

SkipRole = Literal["query", "key", "value", "attention_out", "ffn_in", "ffn_out", "head"]
"""A role whose layers a quantizer may leave in float."""
SKIP_HELP = (
    "Roles that stay in float: query, key, value (where the three are one: all, if one is named), attention_out, "
    "ffn_in, ffn_out; head is all after the layers."
)
"""The description of a setting ``skip: list[SkipRole]``."""

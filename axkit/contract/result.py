"""What a pass gives back. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """What a pass gives back.

    Attributes:
        state: JSON that ``restore`` needs to rebuild the module; None where the Structure says it all.
        facts: numbers for the report; each key ends in its unit (``search_s``, ``weights_bytes``, ``removed_heads``).
        note: one sentence for the report, above all when the pass changed nothing.
        tables: name -> rows for the report: numbers or short texts by key.
        tokenizer: the one that goes with the model from here on, where the pass changed the ids; else None.
    """

    state: Mapping[str, Any] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    tokenizer: Any | None = None

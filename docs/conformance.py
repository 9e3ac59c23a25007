"""Writes docs/conformance.md: the clauses that check_pass holds a pass to, as the code has them.

    python docs/conformance.py

A test holds the page to this script.
"""

from __future__ import annotations

from pathlib import Path

from axkit.testing.pass_check import GROUPS

PAGE = Path(__file__).parent / "conformance.md"
_INTRODUCTION = """\
# Conformance

```python
from axkit.testing import check_pass
from axkit_narrow import Narrow

check_pass(Narrow, "bert", keep=0.5)
```

`check_pass` takes a pass as it is (a class or an instance; nobody need have registered it), applies it to a tiny random
model twice, saves what it made, loads it, and takes it through a recipe that is budgeted, killed, resumed and quantized
after it. Neither network nor data is needed; it takes some seconds. `engine=False` leaves the recipe out, `again=False`
the second apply: for one more family of a pass that is held to all of it in another. The first clause that is broken
is an `AssertionError` (`BrokenClause`, with the name in `.clause`) that says what is wrong and what to mend. A pass
that refuses a family (`NotApplicable`) keeps the contract.

Some clauses are the engine's own obligations, too: what breaks them ends a run with the same sentence. What a check
cannot see: a fault under other settings, in another family, on real data. Call it for each that matters.

Written by `docs/conformance.py` from the clauses themselves.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for title, clauses in GROUPS.items():
        rows = [f"| `{one.name}` | {one.holds} |" for one in clauses]
        parts.append("\n".join([f"## {title}", "", "| clause | a pass keeps it if |", "| --- | --- |", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

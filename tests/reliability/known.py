"""The recipes that faults are tried on, and what an undisturbed run of each leaves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from reliability.lab import Place, Result, leftovers

_HEAD = """\
axkit: 1
name: {name}
model: model
task: {{kind: classification, files: {{train: train.jsonl, test: test.jsonl}}, text: sentence, label: label}}
passes:
  - {{pass: finetune, epochs: 3, learning_rate: 3e-3, batch_size: 16, checkpoint: 0.05}}
"""
_ACCURACY = """\
  - {pass: hard_attention, k: 5}
  - {pass: axformer_prune, tolerance: 0.3, vote: 0.1, groups: 4}
  - {pass: finetune, epochs: 1, learning_rate: 1e-3, batch_size: 16, checkpoint: 0.05}
  - {pass: int8, budget: {max_drop: 50}}
"""
_BUDGET = """\
  - pass: axformer_prune
    objective: budget
    size: 1.2
    max_drop: 100
    rounds: 2
    recover: {pass: finetune, epochs: 0.5, learning_rate: 1e-3, batch_size: 16, checkpoint: 0.05}
"""


def prepare(folder: Path) -> dict[str, Place]:
    """A tiny model, rows, and the recipes that are run on them."""
    from conftest import write_base_model, write_rows

    write_base_model(folder / "model")
    write_rows(folder / "train.jsonl", 160, 1)
    write_rows(folder / "test.jsonl", 60, 2)
    for name, passes in (("accuracy", _ACCURACY), ("budget", _BUDGET)):
        (folder / f"{name}.yaml").write_text(_HEAD.format(name=name) + passes, encoding="utf-8")
    return {name: Place(folder, f"{name}.yaml", name) for name in ("accuracy", "budget")}


@dataclass
class Known:
    """A place, what an undisturbed run of it left, and how long that took."""

    place: Place
    result: Result
    seconds: float
    count: int = 0

    @classmethod
    def of(cls, place: Place) -> Known:
        """Run it undisturbed."""
        start = time.monotonic()
        code, said = place.run("undisturbed")
        assert code == 0, said
        return cls(place, place.result("undisturbed"), time.monotonic() - start)

    def out(self) -> str:
        """An output folder that nobody has used."""
        self.count += 1
        return f"out-{self.place.name}-{self.count}"

    def same(self, out: str) -> None:
        """Hold what a run left to the undisturbed one."""
        differs = self.place.result(out).differs(self.result)
        assert not differs, f"{out} differs in {differs}"
        left = leftovers(self.place.folder / out)
        assert not left, f"left behind: {left}"

    def finishes(self, out: str, *more: str) -> str:
        """Run to the end, and compare; what it said."""
        code, said = self.place.run(out, *more)
        assert code == 0, said[-3000:]
        self.same(out)
        return said

    @property
    def stages(self) -> Path:
        """Of an output folder, below it."""
        return Path(".stages") / self.place.name

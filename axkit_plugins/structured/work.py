"""``structured`` at work: score, choose, carve, and say what went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit import Result
from axkit.kit import Calibration, cut_to
from axkit_plugins.structured.choose import choose
from axkit_plugins.structured.obs import removal_scores
from axkit_plugins.structured.parts import Scores, size_of
from axkit_plugins.structured.timed import choose_by_speed

if TYPE_CHECKING:
    from axkit import Structure, Subject, Tools
    from axkit_plugins.structured.settings import StructuredConfig


def cut_to_size(subject: Subject, config: StructuredConfig, tools: Tools) -> Result:
    """Carve in place.

    Raises:
        NotApplicable: torch-pruning cannot follow the model, or all that may go does not make it fast enough.
    """
    before, size = subject.structure, size_of(subject)
    looked_at = Calibration(tools.train, config.mend_rows) if config.mend or config.importance == "obs" else None
    scores, rows = _scores(subject, config, tools, looked_at)
    if config.speedup is not None:
        after, facts = choose_by_speed(subject, scores, config, size, tools)
        wanted = 0.0
    else:
        wanted = config.ratio * size.layers if config.ratio is not None else (config.bytes or 0.0) * size.model
        after, facts = choose(before, scores, config, size, wanted), {}
    with tools.device.holding(subject.module):
        _carve(subject, after, config, looked_at)
    after, left = subject.structure, size_of(subject)
    facts |= {
        "removed_heads": _count(before, "heads") - _count(after, "heads"),
        "removed_neurons": _count(before, "neurons") - _count(after, "neurons"),
        "removed_layers": _count(before, "present") - _count(after, "present"),
        "removed_of_layers_percent": 100.0 * (1 - left.layers / size.layers),
        "removed_of_model_percent": 100.0 * (1 - left.model / size.model),
        "rows": float(rows),
    }
    if config.speedup is not None and after == before:
        note = f"It is {facts['speedup_before_ratio']:.2f} times as fast as the dense model already: nothing changed."
    else:
        note = _note(before, after, 1 - left.model / size.model, wanted / size.model)
    return Result(facts=facts, note=note)


def _scores(
    subject: Subject, config: StructuredConfig, tools: Tools, looked_at: Calibration | None
) -> tuple[dict[int, Scores], int]:
    """Layer index -> importance, and how many rows it was found on."""
    if looked_at is not None and config.importance == "obs":
        with tools.device.holding(subject.module):
            return removal_scores(subject, looked_at), looked_at.rows
    from axkit_plugins.structured.score import score  # torch-pruning is imported where it is asked

    rows = 0 if config.importance == "magnitude" else min(config.rows, len(tools.train))
    return score(subject, config, tools), rows


def _carve(subject: Subject, after: Structure, config: StructuredConfig, looked_at: Calibration | None) -> None:
    if looked_at is not None and config.mend and after != subject.structure:
        cut_to(subject, after, looked_at, anew=config.importance == "obs")
    else:
        subject.carve(after)


def _count(structure: Structure, what: str) -> float:
    found = [getattr(layer, what) for layer in structure.layers]
    return float(sum(value if isinstance(value, bool) else len(value) for value in found))


def _note(before: Structure, after: Structure, removed: float, wanted: float) -> str:
    if before == after:
        return "The share asked for is less than the smallest part that could go: nothing changed."
    if removed < 0.9 * wanted:
        return f"{removed:.0%} of the model went of {wanted:.0%} asked for: at_least, round_to and what allow no more."
    return ""

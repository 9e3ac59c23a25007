"""The model card of a run folder, carried along to a folder that was made of it for another runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from axkit.contract.manifest import Manifest
from axkit.report.card.card import CARD, card_of
from axkit.run.recipe import load_source
from axkit.run.report import read_report
from axkit.runtimes.manifest import read_manifest

_RECIPE = "recipe.yaml"


def carry_card(source: Path, name: str, made: Path) -> None:
    """Write the card again, with words on what its figures are of; nothing where the source is no run folder.

    Args:
        source: of the model.
        name: of the folder that is made.
        made: where it is being written, with its manifest.

    Raises:
        CheckpointError: the source's report is damaged.
        RecipeError: its recipe is.
    """
    before, after = read_manifest(source), read_manifest(made)
    if before is None or after is None or not (source / _RECIPE).is_file():
        return
    try:
        report = read_report(source)
    except FileNotFoundError:
        return
    model = load_source(source / _RECIPE).recipe.model
    card = card_of(replace(report, name=name), after, model, _again(report.name, before, after))
    (made / CARD).write_text(card, encoding="utf-8")


def _again(name: str, before: Manifest, after: Manifest) -> str:
    """What it was made of, and that nothing was measured since."""
    settings = ", ".join(f"{key}: {value}" for key, value in after.trail[-1].config.items())
    return (
        f"Written by `axkit export` ({settings}) from the run folder `{name}`, which answers in {before.runtime}. "
        "**All figures here were measured of that folder, in that runtime, and none of this one**: `axkit eval` and "
        "`axkit bench` measure it."
    )

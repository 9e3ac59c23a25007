"""How many rows at a time a model for a GPU is timed with, and cut for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit.ground.device import Device
from axkit.ground.errors import DeviceError
from axkit.ground.progress import Progress
from axkit.ground.target import DEFAULT, Target
from axkit.run.planning import Plan

if TYPE_CHECKING:
    from axkit.measure.fill import Filled

SERVED = "rows at a time that it serves"
_FILL = "rows at a time: the fewest that keep this GPU busy"


def sixteen_bits() -> tuple[str, ...]:
    """The passes that store a model in 16 bits, the one that this GPU multiplies in first.

    A GPU without bfloat16 in its hardware (T4, V100) is slower in it than in float32. Where there is no GPU, a later
    step says so.
    """
    try:
        half = Device.of("cuda").half
    except DeviceError:
        half = "bfloat16"
    return ("fp16",) if half == "float16" else ("bf16", "fp16")


def rows_at_a_time(first: Plan, wanted: int | None, progress: Progress) -> tuple[Filled, str]:
    """As many as are served, or else as keep the GPU busy: where it waits for its launches, cuts buy nothing.

    Args:
        first: a plan of the goal: its model, its rows, its target.
        wanted: as somebody said; None: nobody did.
        progress: told of what was seen.

    Returns:
        What was seen with that number, and what it is for, as the recipe says it.
    """
    found = _seen(first, first.recipe.target, wanted, progress)
    if wanted is None:
        few = f"; 32 at a time: {found.few_per_s:,.0f}" if found.batch > 32 else ""
        progress.say(
            f"Timed with {found.batch} rows at a time, the fewest that keep this GPU busy: {found.per_s:,.0f} rows a "
            f"second{few}. --batch takes as many as you serve"
        )
    if found.bound_by_launches:
        progress.say(
            f"note: with {found.batch} rows at a time this GPU waits for its launches most of the time: fewer layers "
            f"make this model faster there, fewer heads and neurons hardly"
        )
    return found, _FILL if wanted is None else SERVED


def rows_per_s(first: Plan, device: Device, progress: Progress) -> float:
    """Rows a second that the model answers on a device, with as few at a time as a training has.

    Args:
        first: a plan of the goal: its model and its rows.
        device: that passes compute on.
        progress: told of the loading.
    """
    return _seen(first, Target(device=device.name), DEFAULT.batch, progress).few_per_s


def _seen(first: Plan, target: Target, batch: int | None, progress: Progress) -> Filled:
    """The plan's model, timed on its search rows."""
    from axkit.measure.fill import filled
    from axkit.run.loading import load

    loaded = load(first, progress)
    rows = loaded.readings.by(loaded.subject.reader)["search"]
    return filled(loaded.subject.body, rows, target, batch)

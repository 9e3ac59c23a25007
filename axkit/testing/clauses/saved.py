"""What a pass made is what is loaded."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from axkit.contract.passes import Pass
from axkit.contract.traits import FLOAT_WEIGHTS, FULL_PRECISION
from axkit.ground.errors import shown
from axkit.testing.clauses.base import clause
from axkit.testing.looks import TOLERANCE, logits_of
from axkit.testing.orders import Ordered, order_faults
from axkit.testing.saved import Saved

_ALONE = 8  # rows


@clause("answers", "The model answers with finite numbers.")
def answers(saved: Saved) -> Iterator[str]:
    """On the search rows."""
    if not bool(torch.isfinite(saved.answers).all()):
        yield "makes a model whose logits are not finite; mend what it does to the weights"


@clause("restorable", "A pass that returns a state has a restore, which takes what the state is out of a file.")
def restorable(saved: Saved) -> Iterator[str]:
    """Without it nothing can be loaded."""
    if saved.applied.result.state is not None and saved.applied.trial.pass_class.restore is Pass.restore:
        yield "returns a state and has no restore; write restore, or return no state"


@clause("saved", "Saved and loaded, the model answers the same and has the same structure.")
def loaded(saved: Saved) -> Iterator[str]:
    """In fresh objects."""
    again = saved.again
    if isinstance(again, str):
        yield f"makes a model that does not reload ({again}); mend restore, or return what it needs as state"
        return
    gap = float((logits_of(again.module, saved.applied.rows) - saved.answers).abs().max())
    if gap > TOLERANCE:
        yield (
            f"makes a model whose reloaded logits differ by {gap:.2g}; what decides the answers must be in weights, "
            f"buffers, structure or state"
        )
    if again.structure != saved.subject.structure:
        yield "makes a structure that changes on its way through a folder; use subject.carve"


@clause("state-kept", "restore leaves the state that it is given as it is.")
def state_kept(saved: Saved) -> Iterator[str]:
    """A model may be loaded twice of one state."""
    if saved.state_changed:
        yield "changes in restore the state that it is given, so that a second load fails; work on a copy"


@clause("hooks", "It leaves no hooks that are not there when the model is loaded.")
def hooks(saved: Saved) -> Iterator[str]:
    """They cost time, hold memory, and are lost on the way through a folder."""
    for name in saved.hooks_left[:1]:
        yield f"left a hook on a module ({shown(name) or 'the model'}); remove it, or put a module in its place"


@clause("padding", "What stands at masked positions does not change an answer, where weights stay float32.")
def padding(saved: Saved) -> Iterator[str]:
    """A row alone, and in a batch with longer ones. Rounding to fewer bits depends on the batch; it is let off."""
    if {FLOAT_WEIGHTS, FULL_PRECISION} & saved.applied.trial.pass_class.ends:
        return
    rows, dense = saved.applied.rows, saved.applied.dense.module
    own = _alone(saved.subject.module, rows)
    if own > max(1e-3, 10 * _alone(dense, saved.applied.search)):
        yield f"makes a model whose logits for a row differ by {own:.2g} beside a longer row; heed the attention mask"


def _alone(module: object, rows: object) -> float:
    """How far logits of rows alone are from those of the same rows in one padded batch, at most."""
    with torch.inference_mode():
        batch = module(**rows.batch(range(_ALONE)).inputs).logits  # type: ignore[attr-defined,operator]
        single = [module(**rows.batch([i]).inputs).logits for i in range(_ALONE)]  # type: ignore[attr-defined,operator]
    return float((torch.cat(single) - batch).abs().max())


@clause(
    "orders", "With a state: it reloads after a cut, before one and after itself, wherever traits allow that order."
)
def orders(saved: Saved) -> Iterator[str]:
    """A folder is rebuilt along its trail (axkit/testing/orders.py)."""
    trial = saved.applied.trial
    if saved.applied.result.state is not None:
        ordered = Ordered(trial.runner(), trial.config, trial.name, trial.folder / "orders", saved.orders)
        yield from order_faults(ordered, saved.applied.dense)


SAVED = (answers, restorable, loaded, state_kept, hooks, padding, orders)

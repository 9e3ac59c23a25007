"""What a pass leaves of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from axkit.ground.errors import shown
from axkit.run import obligations
from axkit.testing.applied import Applied, Twice, tensors_of
from axkit.testing.clauses.base import clause


@clause("finite", "All weights are finite numbers, those too that no forward reads.")
def finite(twice: Twice) -> Iterator[str]:
    """The engine looks at the same."""
    yield from obligations.finite_faults(twice.first.subject, twice.first.runner)


@clause("float64", "No weight becomes float64.")
def float64(twice: Twice) -> Iterator[str]:
    """The engine looks at the same."""
    wide = frozenset(name for name, (_, dtype) in twice.first.before.items() if dtype == torch.float64)
    yield from obligations.width_faults(twice.first.subject, wide)


@clause("frozen", "Weights that took gradients take them still, unless ends names differentiable.")
def frozen(twice: Twice) -> Iterator[str]:
    """The engine looks at the same."""
    first = twice.first
    yield from obligations.frozen_faults(first.subject, first.runner, first.learned)


@clause("gradients", "It leaves no gradients on the weights.")
def gradients(twice: Twice) -> Iterator[str]:
    """They take as much memory as the weights, and the next training adds to them."""
    for name, one in twice.first.subject.module.named_parameters():
        if one.grad is not None:
            yield f"left a gradient on a weight ({shown(name)}); call zero_grad(set_to_none=True) at the end"
            return


@clause("mode", "It leaves the model in eval mode, as it was.")
def mode(twice: Twice) -> Iterator[str]:
    """With dropout on, it answers by chance. A module that the pass made is let off: the engine calls eval()."""
    before = {name: type(one) for name, one in twice.first.dense.module.named_modules()}
    for name, one in twice.first.subject.module.named_modules():
        if one.training and before.get(name) is type(one):
            where = shown(name) or "all of it"
            yield f"left the model in training mode ({where}); call subject.module.eval() at the end"
            return


@clause("structure", "The module has the shapes and classes of its structure: subject.carve alone removes parts.")
def structure(twice: Twice) -> Iterator[str]:
    """The engine looks at the same; where a pass returns a state, saving and loading tell."""
    if twice.first.result.state is None:
        yield from obligations.structure_faults(twice.first.subject)


@clause("within", "The structure has nothing that the model before it did not have.")
def within(twice: Twice) -> Iterator[str]:
    """What is removed cannot come back."""
    if not twice.first.subject.structure.is_within(twice.first.dense.structure):
        yield "left a structure that has what the model before it never had; derive it from subject.structure"


@clause("shared", "Where a family's layers are one module, or two names are one weight, they stay so.")
def shared(twice: Twice) -> Iterator[str]:
    """A copy of what is shared makes the model larger; to remove the one layer removes them all."""
    first = twice.first
    if first.trial.family.shared_layers and not any(layer.present for layer in first.subject.structure.layers):
        yield "removed the layer that all layers of this family share, and so all of them; refuse the family in check"
    if first.trial.family.shared_layers and len(first.subject.layers) > len(first.dense.layers):
        yield "made copies of the layer that all layers of this family share; change the one that is there"
    after = dict(first.subject.module.named_parameters(remove_duplicate=False))
    for names in _tied(first.dense.module):
        left = [name for name in names if name in after]
        if len({id(after[name]) for name in left}) > 1:
            yield f"made two weights of one ({shown(left[0])} and {shown(left[1])}); tie them again"
            return


def _tied(module: Any) -> Iterator[list[str]]:
    """Names that are one parameter."""
    groups: dict[int, list[str]] = {}
    for name, one in module.named_parameters(remove_duplicate=False):
        groups.setdefault(id(one), []).append(name)
    yield from (names for names in groups.values() if len(names) > 1)


@clause("trains", "A pass that says trains = True changes weights only: no shapes, no structure, no state.")
def trains(twice: Twice) -> Iterator[str]:
    """The dense model of a run is what the leading passes that train have left."""
    first = twice.first
    if not first.trial.pass_class.trains:
        return
    now = {name: (tuple(one.shape), one.dtype) for name, one in tensors_of(first.subject.module).items()}
    if first.subject.structure != first.dense.structure or now != first.before or first.result.state is not None:
        yield "says trains = True and changed more than weights; set trains = False"


@clause("silent", "A pass that changed nothing says so in its note.")
def silent(twice: Twice) -> Iterator[str]:
    """A sentence for the report."""
    first = twice.first
    same = first.subject.structure == first.dense.structure and first.result.state is None
    if same and not first.has_new_reader and not first.result.note and not _differs(first.dense, first.subject):
        yield "changed nothing and its note does not say so; say why in Result(note=...)"


@clause("seeded", "The same model, rows, settings and seed give the same result.")
def seeded(twice: Twice) -> Iterator[str]:
    """For a pass that keeps nothing in its journal and scratch."""
    if twice.again is not None and not twice.first.noted and (what := _other(twice.first, twice.again)):
        yield (
            f"came to another result under the same seed ({what}); seed what is random with tools.seed, and note in "
            f"tools.journal what is measured, such as a time, and decides"
        )


@clause("resumed", "A pass that goes on from its journal and its scratch comes to the result that it would have had.")
def resumed(twice: Twice) -> Iterator[str]:
    """Killed when it was done, it is applied again to the model as it was."""
    if twice.again is None:
        return
    if twice.again.error is not None:
        yield f"fails when it goes on from its journal and scratch ({shown(twice.again.error, 200)}); mend reading them"
    elif twice.first.noted and (what := _other(twice.first, twice.again)):
        yield f"came to another result when it went on from its journal and scratch ({what}); decide by what is there"


def _other(one: Applied, two: Applied) -> str:
    """What differs of two results; empty where nothing does."""
    if two.error is not None:
        return f"the second time it fails: {shown(two.error, 200)}"
    if one.subject.structure != two.subject.structure:
        return "another structure"
    if one.result.state != two.result.state:
        return "another state"
    return "other weights" if _differs(one.subject, two.subject) else ""


def _differs(one: Any, two: Any) -> bool:
    """Whether weights do, by more than the rounding of a sum."""
    a, b = tensors_of(one.module), tensors_of(two.module)
    if a.keys() != b.keys():
        return True
    return any(a[name].shape != b[name].shape or not _close(a[name], b[name]) for name in a)


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (
        bool(torch.allclose(a, b, rtol=1e-4, atol=1e-5))
        if a.is_floating_point() and a.dtype == b.dtype
        else bool((a == b).all())
    )


MODEL = (
    finite, float64, frozen, gradients, mode, shared, structure, within, trains, silent, seeded, resumed,
)  # fmt: skip

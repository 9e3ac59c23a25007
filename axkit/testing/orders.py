"""A pass with a state, in every order with carving that its traits allow: each must be what is loaded again.

A folder is rebuilt along its trail: carved to what each pass left, then given that pass's state. What a pass cannot
stand there it has to say in ``ends``; what no trait can say is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family
from axkit.anatomy.structure import Structure
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.subject import Subject, TrailStep
from axkit.contract.traits import FLOAT_WEIGHTS, TORCH_MODULE
from axkit.ground.errors import NotApplicable, shown
from axkit.run.obligations import take_reader
from axkit.testing.lent import ROWS, lend
from axkit.testing.looks import TOLERANCE, logits_of, reload
from axkit.testing.tiny import tiny_split

_CUT, _PASS = "a cut", "the pass"
ORDERS = (  # the shortest first: the first that fails is the one to look at
    (_PASS,),
    (_CUT, _PASS),
    (_PASS, _CUT),
    (_PASS, _PASS),
    (_CUT, _PASS, _CUT),
    (_PASS, _CUT, _PASS),
)
SHORT = ((_CUT, _PASS), (_PASS, _CUT))  # where it has to be quick


@dataclass(frozen=True)
class Ordered:
    """A pass that is tried in orders.

    Attributes:
        runner: the pass.
        config: its settings.
        name: under which loading finds it.
        folder: for journals; a folder each.
        orders: to try.
    """

    runner: Pass[Any]
    config: PassConfig
    name: str
    folder: Path
    orders: tuple[tuple[str, ...], ...] = ORDERS

    def allowed(self) -> Iterator[tuple[str, ...]]:
        """The orders that a recipe may have, by the traits that the pass requires and ends."""
        ends, requires = self.runner.ends, self.runner.requires
        for order in self.orders:
            behind = order[order.index(_PASS) + 1 :]
            again = _PASS in behind and ends & requires
            cut = _CUT in behind and ends & {TORCH_MODULE, FLOAT_WEIGHTS}
            if not again and not cut:
                yield order


def order_faults(ordered: Ordered, dense: Subject) -> Iterator[str]:
    """What is wrong with a pass with a state; each is the rest of a sentence that begins with the pass.

    Args:
        ordered: the pass.
        dense: a tiny model, left alone.
    """
    for order in ordered.allowed():
        fault = _fault(ordered, dense, order)
        if fault:
            yield fault
            return


def _fault(ordered: Ordered, dense: Subject, order: tuple[str, ...]) -> str:
    told = f"has a state, and the model that {', then '.join(order)} leave{'s' if len(order) == 1 else ''}"
    way_out = _WAYS_OUT.get(order) or _WAYS_OUT[order[-1:]]
    what = "cannot be made"
    try:
        subject = _made(ordered, dense, order)
        if subject is None:
            return ""
        what = "does not reload"
        rows = tiny_split(ROWS, 2, subject.reader, dense.family)
        again = reload(subject, subject.reader)
        gap = float((logits_of(again.module, rows) - logits_of(subject.module, rows)).abs().max())
    except Exception as error:  # noqa: BLE001  # what an author's modules and restore raise becomes a sentence
        return f"{told}, {what} ({type(error).__name__}: {shown(error, 200)}); {way_out}"
    return "" if gap <= TOLERANCE else f"{told}, reloads with logits that differ by {gap:.2g}; {way_out}"


_AGAIN = "mend restore, or put in ends what the pass requires"
_WAYS_OUT = {
    (_PASS,): "mend restore: it gets a model that is carved to what the pass left; carve before you put modules in",
    (_CUT, _PASS): "mend restore: it must go by the model that it gets, not by the dense one",
    (_CUT,): "mend restore, or put FLOAT_WEIGHTS in ends",
    (_PASS, _PASS): _AGAIN,
    (_PASS, _CUT, _PASS): _AGAIN,
}


def _made(ordered: Ordered, dense: Subject, order: tuple[str, ...]) -> Subject | None:
    """The model after all; None where the pass refuses such a model."""
    subject = dense.copy()
    for number, what in enumerate(order):
        if what == _CUT:
            subject.carve(less(subject.structure, subject.family))
            continue
        folder = ordered.folder / f"{'-'.join(one.split()[-1] for one in order)}-{number}"
        to = (ordered.runner, ordered.config)
        tools = lend(folder, dense, family=dense.family, to=to, reader=subject.reader)
        try:
            result = ordered.runner.apply(subject, ordered.config, tools)
        except NotApplicable:
            return None
        take_reader("the pass", result, subject)
        subject.module.eval()
        config = ordered.config.model_dump(mode="json")
        subject.passed(TrailStep(ordered.name, "under check", config, result.state, result.facts))
    return subject


def less(structure: Structure, family: Family) -> Structure:
    """Without a head and some neurons of each layer that may lose them; of several layers the first loses a block."""
    heads, neurons = (0 if part in family.limits else count for part, count in (("heads", 1), ("neurons", 8)))
    for index, layer in enumerate(structure.layers):
        structure = structure.without_heads(index, layer.heads[:heads]).without_neurons(index, layer.neurons[:neurons])
    return structure.without_ffn(0) if len(structure.layers) > 1 and structure.layers[0].present else structure

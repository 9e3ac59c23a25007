"""A model whose outputs stand in another order than those of the model beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axkit.ground.errors import NotApplicable
from axkit.tasks.labels.head import Head, output_names, shown
from axkit.tasks.labels.naming import order_for


def answer_in_order(module: Any, names: Sequence[str], whose: str) -> None:
    """Make a model answer with its outputs in the order of some names, in place; its weights stay as they are.

    Args:
        module: with a head of which each output stands for a label.
        names: of the labels wanted, in order.
        whose: words for the model, for messages.

    Raises:
        NotApplicable: its labels are others, or nobody knows which is which.
    """
    head = Head(output_names({"id2label": module.config.id2label}, whose), whose)
    order = order_for(names, head)
    if order is None:
        raise NotApplicable(_refusal(names, head))
    if order != tuple(range(len(names))):
        module.register_forward_hook(_Reordered(order))
        module.config.id2label = dict(enumerate(names))
        module.config.label2id = {name: i for i, name in enumerate(names)}


def _refusal(names: Sequence[str], head: Head) -> str:
    if len(head.names) != len(names):
        return (
            f"{head.whose} has {len(head.names)} outputs, the model {len(names)}: take a teacher trained on this task"
        )
    if set(names) == set(head.names):
        return (
            f"{head.whose} has the labels in the order {shown(head.names)}, the model {shown(names)}, and they name "
            f"nothing: give them their names in id2label of both config.json"
        )
    return (
        f"{head.whose} has the labels {shown(head.names)}, the model {shown(names)}: take a teacher trained on this "
        f"task, or give its labels these names in id2label of its config.json"
    )


class _Reordered:
    """Forward hook: logits in another order; a class, so that a model with it can be copied."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = list(order)

    def __call__(self, _: Any, __: Any, output: Any) -> Any:
        output["logits"] = output["logits"][..., self.order]
        return output

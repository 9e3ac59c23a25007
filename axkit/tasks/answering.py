"""Asking a model of any runtime: a body answers; a torch module is called, in eval mode and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from axkit.ground.device import at_rest, device_of, moved

Answer = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@contextmanager
def answering(model: Any) -> Iterator[Answer]:
    """How a model is asked while the block runs.

    Args:
        model: a body (``Subject.body``), or a torch module: that is left in the mode in which it came.
    """
    if hasattr(model, "answer"):
        yield model.answer
        return
    training, device = model.training, device_of(model)
    model.eval()
    yield lambda inputs: model(**(inputs if device.is_cpu else moved(inputs, device)))
    model.train(training)


def as_module(model: Any) -> Any:
    """What is timed as a torch module is: a module itself, that of a torch body, or the answers of any other body."""
    if not hasattr(model, "answer"):
        return model
    return model.module if hasattr(model, "module") else Asked(model)


class Asked:
    """A body of another runtime, called as a torch module is; where it computes is its own affair.

    Args:
        body: what answers.
    """

    def __init__(self, body: Any) -> None:
        self._body = body

    def __call__(self, **inputs: Tensor) -> Mapping[str, Tensor]:
        outputs: Mapping[str, Tensor] = self._body.answer(at_rest(inputs))
        self._body.wait()
        return outputs

    def __deepcopy__(self, memo: Any) -> Asked:  # a copy on another device is the same session
        return self

    def to(self, device: Any) -> Asked:
        """Itself."""
        return self

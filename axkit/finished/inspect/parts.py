"""Bytes and time of a loaded model, part by part: attention, feed-forward, the rest of the layers, what is outside."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.family import Family, Role
from axkit.runtimes.torch.body import TorchBody

ATTENTION, FFN, LAYERS, EMBEDDINGS, HEAD = "attention", "feed-forward", "norms and the rest", "embeddings", "head"
OUTSIDE = "embeddings and head"  # of time: what is in no layer
_PARTS: Mapping[Role, str] = {
    "attention_core": ATTENTION,
    "query": ATTENTION,
    "key": ATTENTION,
    "value": ATTENTION,
    "qkv": ATTENTION,
    "attention_out": ATTENTION,
    "ffn_in": FFN,
    "ffn_out": FFN,
}
_ROUNDS = 5


def part_of(name: str, model: Any, family: Family) -> str:
    """The part that a parameter belongs to, by its name in the model's state."""
    own = name.removeprefix(f"{model.base_model_prefix}.") if model.base_model is not model else name
    if own.startswith(f"{family.layers}."):
        _, _, inside = own.removeprefix(f"{family.layers}.").partition(".")
        found = [(len(path), _PARTS[role]) for role, path in _roles(family) if inside.startswith(f"{path}.")]
        return max(found)[1] if found else LAYERS
    module = model.get_submodule(name.rpartition(".")[0])
    return EMBEDDINGS if isinstance(module, nn.Embedding) or "embeddings" in own else HEAD


def _roles(family: Family) -> Iterator[tuple[Role, str]]:
    yield from ((role, path) for role, path in family.roles.items() if role in _PARTS)


def bytes_by_part(model: Any, family: Family) -> dict[str, int]:
    """Bytes of all parameters and saved buffers; what two names share is counted once."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    for name, stored in model.state_dict().items():
        if isinstance(stored, Tensor) and stored.data_ptr() not in seen:
            seen.add(stored.data_ptr())
            found[part_of(name, model, family)] += stored.numel() * stored.element_size()
    return dict(found.most_common())


@dataclass
class _Clock:
    """Seconds of each part, without those of the parts inside."""

    spent: Counter[str] = field(default_factory=Counter)
    inside: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)

    def begin(self, *_: Any) -> None:
        """A module is entered."""
        self.inside.append(0.0)
        self.started.append(time.perf_counter())

    def end(self, part: str) -> None:
        """It is left."""
        whole = time.perf_counter() - self.started.pop()
        self.spent[part] += whole - self.inside.pop()  # type: ignore[assignment]  # typeshed counts whole numbers alone
        if self.inside:
            self.inside[-1] += whole


@contextmanager
def _watched(model: Any, family: Family, clock: _Clock) -> Iterator[None]:
    """A clock on the model, its layers and the modules of their roles."""
    wanted: list[tuple[nn.Module, str]] = [(model, OUTSIDE)]
    for layer in model.base_model.get_submodule(family.layers):
        wanted.append((layer, LAYERS))
        for role, path in _roles(family):
            inside = dict(layer.named_modules()).get(path)
            wanted += [] if inside is None else [(inside, _PARTS[role])]
    hooks = []
    for module, part in wanted:
        hooks.append(module.register_forward_pre_hook(clock.begin))
        hooks.append(module.register_forward_hook(lambda *_, part=part: clock.end(part)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def seconds_by_part(body: TorchBody, family: Family, inputs: Mapping[str, Tensor]) -> dict[str, float]:
    """Seconds that one batch takes in each part, on this machine: the median of some rounds.

    Args:
        body: on the CPU.
        family: its architecture.
        inputs: of a batch.
    """
    rounds: list[dict[str, float]] = []
    for turn in range(_ROUNDS + 1):
        clock = _Clock()
        with _watched(body.module, family, clock):
            body.answer(inputs)
        if turn:  # the first one warms up
            rounds.append({part: float(value) for part, value in clock.spent.items()})
    parts = dict.fromkeys(part for one in rounds for part in one)
    found = {part: statistics.median(one.get(part, 0.0) for one in rounds) for part in parts}
    return dict(sorted(found.items(), key=lambda item: -item[1]))

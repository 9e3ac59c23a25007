"""What goes on inside two models on the same batch: hidden states and attention scores of paired layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from axkit.ground.errors import NotApplicable

if TYPE_CHECKING:
    from axkit.contract.subject import Subject

_WATCHED = "axkit_watched"  # the name by which a core that is watched asks transformers for its attention


@dataclass(frozen=True)
class Scores:
    """Attention scores of one call.

    Attributes:
        values: (batch, heads, queries, tokens), float32, before the mask and the softmax.
        seen: what each query may attend to, bool, broadcastable to that.
    """

    values: Tensor
    seen: Tensor


@dataclass
class Seen:
    """Of one forward pass, by layer: one entry per call (ALBERT calls its one layer many times)."""

    hidden: dict[int, list[Tensor]] = field(default_factory=dict)
    scores: dict[int, list[Scores]] = field(default_factory=dict)


class Pairs:
    """The layers of a student that are compared with layers of its teacher.

    Args:
        student: what learns.
        teacher: what it learns from.
        layers: student's layer -> teacher's layer, counted in their dense models.
        hidden: whether hidden states are compared; both must have the same width then.
        attention: whether attention scores are compared, where both have heads of the same place in the dense model.

    Raises:
        NotApplicable: the two have nothing of that to compare.
    """

    def __init__(
        self, student: Subject, teacher: Subject, layers: Mapping[int, int], hidden: bool, attention: bool
    ) -> None:
        self._models = {"student": student, "teacher": teacher}
        self.hidden = dict(layers) if hidden else {}
        self.heads = _heads_in_both(student, teacher, layers) if attention else {}
        width = [one.family.size(one.module.config, "hidden") for one in (student, teacher)]
        if _calls(student) != _calls(teacher):
            raise NotApplicable(
                "student and teacher share one layer a different number of times, or only one of them does: their "
                "layers cannot be paired; leave 'cosine', 'hidden' and 'attention' at 0"
            )
        if hidden and width[0] != width[1]:
            raise NotApplicable(
                f"the teacher's hidden states have {width[1]} values, the model's {width[0]}; leave 'cosine' and "
                f"'hidden' at 0"
            )
        if hidden and not layers:
            raise NotApplicable("none of the layers that 'layers' names is left; name others, or leave it out")
        if attention and not self.heads:
            raise NotApplicable("no paired layers have heads in common; leave 'attention' at 0, or give other 'layers'")

    @contextmanager
    def watched(self, which: str) -> Iterator[Seen]:
        """What the "student" or the "teacher" shows while the block runs it."""
        subject, seen = self._models[which], Seen()
        wanted = set(self.hidden if which == "student" else self.hidden.values())
        attending = set(self.heads if which == "student" else (pair.teacher for pair in self.heads.values()))
        modules = subject.module.base_model.get_submodule(subject.family.layers)  # where a layer went, one passes on
        handles = [modules[index].register_forward_hook(_keep(index, seen)) for index in wanted]
        cores = {layer.attention_core: layer.index for layer in subject.layers if layer.index in attending}
        try:
            with _recorded(cores, seen):
                yield seen
        finally:
            for handle in handles:
                handle.remove()

    def hidden_pairs(self, ours: Seen, theirs: Seen, mask: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Hidden states of real tokens, (tokens, hidden) twice; where one is there for the first token alone, of that.

        Args:
            ours: of the student.
            theirs: of the teacher.
            mask: (batch, tokens), not 0 at real tokens; None where nothing is padded, as images are not.
        """
        for student, teacher in self.hidden.items():
            for a, b in zip(ours.hidden[student], theirs.hidden[teacher], strict=True):
                tokens = min(a.shape[1], b.shape[1])
                real = _real(mask, a)[:, :tokens]
                yield a[:, :tokens][real].float(), b[:, :tokens][real].float()

    def attention_distance(self, ours: Seen, theirs: Seen, mask: Tensor | None) -> Tensor:
        """Mean squared distance of scores over real queries, what they may attend to, and layers."""
        found = []
        for student, pair in self.heads.items():
            for a, b in zip(ours.scores[student], theirs.scores[pair.teacher], strict=True):
                queries = min(a.values.shape[2], b.values.shape[2])
                one, other = a.values[:, pair.ours, :queries], b.values[:, pair.theirs, :queries]
                real = _real(mask, one.transpose(1, 3))
                where = a.seen[..., :queries, :] & b.seen[..., :queries, :]
                where = where & real[:, None, :queries, None] & real[:, None, None, :]
                where = where.expand_as(one)
                found.append(functional.mse_loss(one[where], other[where]))
        return torch.stack(found).mean()


@dataclass(frozen=True)
class HeadPair:
    """Heads that a student's layer and its teacher's layer both have: their positions among those left in each."""

    teacher: int
    ours: Sequence[int]
    theirs: Sequence[int]


def _calls(subject: Subject) -> int | None:
    """How often the one layer of ALBERT is computed; None where each layer is computed once."""
    return int(getattr(subject.module.config, subject.family.config.layers)) if subject.family.shared_layers else None


def _heads_in_both(student: Subject, teacher: Subject, layers: Mapping[int, int]) -> dict[int, HeadPair]:
    for one in (student, teacher):
        if "attention_dropout" in one.family.roles:  # it does not go through transformers' attention interface
            raise NotApplicable(
                f"the attention scores of {one.family.model_type} cannot be seen; leave 'attention' at 0"
            )
    if student.structure.n_heads != teacher.structure.n_heads:
        raise NotApplicable(
            f"the teacher has {teacher.structure.n_heads} heads a layer, the dense model of the student "
            f"{student.structure.n_heads}: attention cannot be compared head by head; leave 'attention' at 0"
        )
    pairs = {}
    for index, counterpart in layers.items():
        ours, theirs = student.structure.layers[index].heads, teacher.structure.layers[counterpart].heads
        both = [head for head in ours if head in theirs]
        if both:
            pairs[index] = HeadPair(counterpart, [ours.index(h) for h in both], [theirs.index(h) for h in both])
    return pairs


def _real(mask: Tensor | None, like: Tensor) -> Tensor:
    """Where tokens are real, (batch, tokens) bool; ``like`` is (batch, tokens, ...) for the case that all are."""
    return torch.ones(like.shape[:2], dtype=torch.bool, device=like.device) if mask is None else mask.bool()


def _keep(index: int, seen: Seen) -> Callable[[nn.Module, object, Tensor | tuple[Tensor, ...]], None]:
    def hook(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        seen.hidden.setdefault(index, []).append(output[0] if isinstance(output, tuple) else output)

    return hook


@dataclass(frozen=True)
class _Watch:
    """What a core that is watched computes with, and who is told of its scores."""

    attend: Callable[..., tuple[Tensor, Tensor | None]]
    layer: int
    seen: Seen


@contextmanager
def _recorded(cores: Mapping[Any, int], seen: Seen) -> Iterator[None]:
    """These cores record scores and then do as before: fused, hard or for the first token alone.

    They ask transformers for their attention by a name of their own meanwhile; what others ask for is left as it is.
    """
    from transformers import AttentionInterface

    stock = AttentionInterface()
    for core in cores:
        name = core.config._attn_implementation
        if name not in stock:
            raise NotApplicable(f"attention runs as '{name}', where it cannot be seen; leave 'attention' at 0")
    AttentionInterface.register(_WATCHED, _watched)
    before = {core: core.config for core in cores}
    try:
        for core, config in before.items():
            core.axkit_watch = _Watch(stock[config._attn_implementation], cores[core], seen)
            core.config = copy.copy(config)  # of the core alone: masks are made by the model's
            core.config._attn_implementation_internal = _WATCHED
        yield
    finally:
        for core, config in before.items():
            core.config = config
            vars(core).pop("axkit_watch", None)


def _watched(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **more: Any
) -> tuple[Tensor, Tensor | None]:
    """As transformers' attention functions: tells the scores, and computes as the core would unwatched."""
    watch: _Watch = module.axkit_watch
    watch.seen.scores.setdefault(watch.layer, []).append(_scores(module, query, key, mask, more))
    return watch.attend(module, query, key, value, mask, **more)


def _scores(module: Any, query: Tensor, key: Tensor, mask: Tensor | None, more: Mapping[str, Any]) -> Scores:
    scaling = more.get("scaling")
    with torch.autocast(query.device.type, enabled=False):
        values = query.float() @ key.float().transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    queries, tokens = values.shape[-2:]
    if mask is not None:
        return Scores(values, mask if mask.dtype == torch.bool else mask == 0)
    seen = torch.ones(queries, tokens, dtype=torch.bool, device=values.device)
    causal = more.get("is_causal", getattr(module, "is_causal", False))
    return Scores(values, (seen.tril() if causal and queries > 1 else seen)[None, None])

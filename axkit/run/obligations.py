"""What a pass gives back is held against the contract, so that its fault is told where it is made, by name."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axkit.contract.body import MEMBERS
from axkit.contract.passes import Pass
from axkit.contract.reader import Reader, reads_alike
from axkit.contract.result import Result
from axkit.contract.traits import DIFFERENTIABLE, TEACHER_TOKENS, TORCH_MODULE
from axkit.ground.device import CPU, device_of, moved_all
from axkit.ground.errors import PluginError, shown
from axkit.ground.quiet import quiet
from axkit.run.results import a_value

if TYPE_CHECKING:
    from axkit.contract.subject import Subject

_CHUNK = 1024  # values that are added up for the checksum


@dataclass(frozen=True)
class Mark:
    """A model as it was: what must be the same afterwards.

    Attributes:
        values: a checksum of all weights and buffers.
        training: of each module.
        learning: name of a parameter that takes gradients -> True.
    """

    values: str
    training: tuple[bool, ...]
    learning: frozenset[str]

    @classmethod
    def of(cls, module: Any) -> Mark:
        """Read it off; a pass over the weights."""
        digest = hashlib.sha256()
        for name, tensor in _tensors(module):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(_sums(tensor))
        return cls(digest.hexdigest(), tuple(one.training for one in module.modules()), _learning(module))

    def faults(self, module: Any) -> Iterator[str]:
        """What was done to it since."""
        now = Mark.of(module)
        if now.values != self.values:
            yield "changed the dense model, which it was only lent; work on subject.module, or on a copy"
        if now.training != self.training:
            yield "left the dense model in training mode; call eval() on what was lent"
        if now.learning != self.learning:
            yield "changed which weights of the dense model take gradients; leave requires_grad of what was lent alone"


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _learning(module: Any) -> frozenset[str]:
    return frozenset(name for name, one in module.named_parameters() if one.requires_grad)


def _sums(tensor: Any) -> bytes:
    """The bits of a tensor as whole numbers of 8 bytes, added up by the thousand; and the bytes that are left over."""
    import torch

    if tensor.is_meta or not tensor.numel():
        return b""
    flat = tensor.detach().reshape(-1).view(torch.uint8)
    full = flat.numel() // (8 * _CHUNK) * (8 * _CHUNK)
    ends = bytes(flat[full:].cpu().numpy().tobytes())
    if not full:
        return ends
    words = flat[:full].view(torch.int64) if flat.storage_offset() % 8 == 0 else flat[:full].clone().view(torch.int64)
    return bytes(words.view(-1, _CHUNK).sum(-1).cpu().numpy().tobytes()) + ends


def body_faults(subject: Subject, runner: Pass[Any], had_module: bool) -> Iterator[str]:
    """Whether what a pass left answers, can be saved, and is what its traits say.

    Args:
        subject: after ``apply``.
        runner: the pass.
        had_module: there was a torch module before.
    """
    from axkit.runtimes.known import body_class

    lacking = [name for name in MEMBERS if not hasattr(subject.body, name)]
    if lacking:
        found, names = a_value(subject.body), ", ".join(lacking)
        yield f"left {found} as subject.body, which lacks {names} and is no axkit.Body; mend it"
        return
    runtime = subject.body.runtime
    if had_module and not subject.has_module and TORCH_MODULE not in runner.ends:
        yield f"left a body of the runtime '{shown(runtime)}', no torch module any more; add TORCH_MODULE to its ends"
    try:
        body_class(runtime)
    except PluginError as error:
        yield f"left a body that no folder could be loaded to ({error}); register its class under axkit.runtimes"


def settle(subject: Subject) -> None:
    """A torch module rests on the CPU in eval mode, whatever a pass left; other bodies have neither."""
    if subject.has_module:
        if device_of(subject.module) != CPU:
            moved_all(subject.module, CPU)
        subject.module.eval()


def subject_faults(
    subject: Subject, runner: Pass[Any], learned: frozenset[str], wide: frozenset[str] = frozenset()
) -> Iterator[str]:
    """What is wrong with the model that a pass left.

    Args:
        subject: after ``apply``.
        runner: the pass.
        learned: names of the parameters that took gradients before.
        wide: names of the tensors that were float64 before.
    """
    yield from finite_faults(subject, runner)
    yield from width_faults(subject, wide)
    yield from frozen_faults(subject, runner, learned)


def finite_faults(subject: Subject, runner: Pass[Any]) -> Iterator[str]:
    """Weights are numbers, those too that no forward reads."""
    import torch

    if not subject.has_module:
        return
    for name, tensor in subject.module.state_dict().items():
        plain = tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64) and not tensor.is_meta
        # a sum is quicker, and can only be too large where all are finite
        if plain and not bool(torch.isfinite(tensor.sum())) and not bool(torch.isfinite(tensor).all()):
            advice = "lower its learning rate" if runner.trains else "mend it"
            yield f"left weights that are no finite numbers ({shown(name)}); {advice}"
            return


def width_faults(subject: Subject, wide: frozenset[str]) -> Iterator[str]:
    """No weight has become float64: it takes twice the bytes and the time, and nothing else of the model is."""
    for name in sorted(widest(subject) - wide)[:1]:
        yield f"left weights in float64 ({shown(name)}); convert what you compute back to the dtype that it was"


def frozen_faults(subject: Subject, runner: Pass[Any], learned: frozenset[str]) -> Iterator[str]:
    """Weights that took gradients take them still, unless the pass ends that."""
    if subject.has_module and DIFFERENTIABLE not in runner.ends:
        kept = {name for name, one in subject.module.named_parameters() if one.is_floating_point()}
        frozen = sorted((learned & kept) - _learning(subject.module))
        if frozen:
            yield f"left weights that take no gradients any more ({shown(frozen[0])}); set requires_grad back"


def take_reader(who: str, result: Result, subject: Subject) -> None:
    """Give a subject the tokenizer that a pass returned instead of setting it itself."""
    if result.tokenizer is None:
        return
    warnings.warn(
        f"{who} returns a tokenizer in its Result: set subject.reader in apply instead",
        DeprecationWarning,
        stacklevel=2,
    )
    subject.reader = result.tokenizer


def reader_faults(reader: Any, before: Reader, runner: Pass[Any]) -> Iterator[str]:
    """What is wrong with the reader that a pass left: a teacher must not be asked about ids that it does not take.

    Args:
        reader: after ``apply``.
        before: that it was lent.
        runner: the pass.
    """
    if not isinstance(reader, Reader):
        found = a_value(reader)
        yield f"left {found} as subject.reader, which is none; set a tokenizer of transformers, or leave it alone"
    elif reader is not before and TEACHER_TOKENS not in runner.ends and not reads_alike(reader, before):
        yield "set a subject.reader with other ids and keeps teacher_tokens by what it says; put TEACHER_TOKENS in ends"


def structure_faults(subject: Subject) -> Iterator[str]:
    """Whether the module has the shapes that the structure says.

    Nothing where weights have another form, which no Structure tells: a pass of the trail has a state, they are no
    floating-point numbers any more (bitsandbytes), or the body is of another runtime.
    """
    import torch

    from axkit.runtimes.torch import classes

    if not subject.has_module or any(step.state is not None for step in subject.trail):
        return
    made, fields = classes.own_class(subject.module), classes.stock_fields(subject.module)
    random = torch.random.get_rng_state()
    with torch.device("meta"), quiet():
        again = made(made.config_class(**fields, axkit=classes.describe(subject.structure, subject.trail)))
    torch.random.set_rng_state(random)
    expected = again.state_dict()
    state = subject.module.state_dict()
    if any(
        one.is_floating_point() and name in state and not state[name].is_floating_point()
        for name, one in expected.items()
    ):
        return
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    for name in sorted(found.keys() | expected.keys()):
        shape = tuple(expected[name].shape) if name in expected else None
        if found.get(name) != shape:
            yield (
                f"left a module that is not what its structure says ({shown(name)} is {found.get(name, 'missing')}, "
                f"and should be {shape or 'none'}); remove parts with subject.carve alone, or return a state"
            )
            return
    yield from _other_classes(subject.module, again)


def _other_classes(module: Any, again: Any) -> Iterator[str]:
    """A module of the same shapes that computes something else would be loaded as the one whose place it took."""
    now = dict(module.named_modules())
    for name, one in again.named_modules():
        kind, wanted = type(now.get(name)).__name__, type(one).__name__
        if name and type(now.get(name)) is not type(one):
            yield f"left a {kind} in the place of a {wanted} ({shown(name)}), which no folder says; return a state"
            return


def hold(who: str, faults: Iterator[str]) -> None:
    """Refuse the first fault.

    Raises:
        PluginError: it names the pass, whose it is, and what to mend.
    """
    for fault in faults:
        raise PluginError(f"{who} {fault}")


def learning(subject: Subject) -> frozenset[str]:
    """The names of the parameters that take gradients; none of a body without a torch module."""
    return _learning(subject.module) if subject.has_module else frozenset()


def widest(subject: Subject) -> frozenset[str]:
    """The names of the tensors that are float64; none of a body without a torch module."""
    import torch

    if not subject.has_module:
        return frozenset()
    state = subject.module.state_dict()
    return frozenset(name for name, one in state.items() if getattr(one, "dtype", None) == torch.float64)

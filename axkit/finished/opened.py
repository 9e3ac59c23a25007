"""A finished folder, opened to be asked: its body, what makes its inputs, and how much it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.contract.registered import load_pass
from axkit.contract.subject import Subject
from axkit.ground.device import AUTO, CPU, Device, enough_memory, exact_floats
from axkit.ground.errors import DeviceError
from axkit.ground.target import Target
from axkit.runtimes.folder import load_subject
from axkit.runtimes.limits import config_of, token_limit
from axkit.runtimes.torch.opening import fit_padding, open_reader


@dataclass(frozen=True)
class Opened:
    """A model of any runtime.

    Attributes:
        subject: with its reader.
        limit: tokens that it takes.
    """

    subject: Subject
    limit: int

    @property
    def reader(self) -> Any:
        """What makes its inputs."""
        return self.subject.reader

    @contextmanager
    def on(self, device: Device) -> Iterator[None]:
        """Asked on a device, for a while; a body of another runtime stays where it is."""
        modules = (self.subject.module,) if self.subject.has_module else ()
        with (
            exact_floats(device),
            enough_memory(device, "ask about shorter inputs, or --device cpu"),
            device.holding(*modules),
        ):
            yield


def device_for(subject: Subject, wanted: str) -> Device:
    """Where a finished model is asked: as a person wants, where its passes serve that; ``auto`` is then the CPU.

    Raises:
        DeviceError: it computes otherwise there, or there is no such device.
    """
    device = Device.of(wanted)
    for step in subject.trail if not device.is_cpu else ():
        served = load_pass(step.name).pass_class.targets
        if served is not None and device.kind not in served:
            if wanted == AUTO:
                return CPU
            raise DeviceError(
                f"what '{step.name}' made runs on {' and '.join(sorted(served))} alone; give --device cpu"
            )
    return device


def target_for(opened: Sequence[Opened], target: Target, device: str | None) -> Target:
    """Where finished models are timed together.

    Args:
        opened: all of them.
        target: of the recipe that made one.
        device: another than the target's; None where it is that one.

    Raises:
        DeviceError: one computes otherwise there, or there is no such device.
    """
    if device is not None:
        target = target.model_copy(update={"device": Device.of(device).name})
    for one in opened:
        device_for(one.subject, target.device)
    return target


def open_finished(folder: Path) -> Opened:
    """Body and reader of a run folder, or of any checkpoint with a head.

    Raises:
        CheckpointError: a folder that does not load.
    """
    return opened_with(folder, load_subject(folder))


def opened_with(folder: Path, subject: Subject) -> Opened:
    """What was loaded from a folder, with the reader that is there.

    Raises:
        CheckpointError: the reader does not load, or does not fit.
    """
    subject.reader = open_reader(folder, subject.family)
    if subject.has_module:
        fit_padding(subject.module, subject.reader, subject.family)
    return Opened(subject, token_limit(subject.reader, config_of(subject.body), subject.family))

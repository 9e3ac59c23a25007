"""A folder, looked at: what it is, what in it is idle, how it is stored, where time goes, what could be won."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.checkpoint.sources import check_name, read_config
from axkit.contract.manifest import TORCH, Manifest
from axkit.contract.subject import Subject
from axkit.finished.inspect.files import Held
from axkit.finished.inspect.parts import bytes_by_part, seconds_by_part
from axkit.finished.inspect.wins import Win, ended_by, starting_recipe, wins
from axkit.finished.inspect.zeros import Idle, idle
from axkit.finished.opened import opened_with
from axkit.ground.errors import AxkitError, CheckpointError
from axkit.measure.inputs import Inputs
from axkit.runtimes.folder import load_to_work
from axkit.runtimes.manifest import read_manifest
from axkit.runtimes.torch.body import TorchBody
from axkit.tasks.about import About
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.kind import Kind, kind_of, our_kinds
from axkit.tasks.labels.head import head_of

_TOKENS, _ROWS = 64, 32  # of the batch that is timed, where the folder tells no lengths


@dataclass(frozen=True)
class Inside:
    """What only the loaded model tells.

    Attributes:
        values: numbers in it, whatever their width.
        structure: what is left of it.
        idle: what does nothing.
        bytes: by part, as loaded.
        seconds: by part, of one batch on this machine; empty where it has no reader to make inputs for.
        batch: what was timed, in words.
        wins: what could be won.
        ended_by: the pass behind which nothing can; empty where there is none.
    """

    values: int
    structure: Structure
    idle: Idle
    bytes: Mapping[str, int]
    seconds: Mapping[str, float]
    batch: str
    wins: tuple[Win, ...]
    ended_by: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "values": self.values,
            "structure": self.structure.to_json(),
            "idle": self.idle.to_json(),
            "bytes_by_part": dict(self.bytes),
            "seconds_by_part": dict(self.seconds),
            "batch": self.batch,
            "wins": [one.to_json() for one in self.wins],
            "ended_by": self.ended_by,
        }


@dataclass(frozen=True)
class Said:
    """What config.json says of a model.

    Attributes:
        architecture: the class that it names.
        model_type: likewise.
        supported: axkit knows the family.
        sizes: by what they are.
        kind: of task that its head is for; empty where it has none.
        labels: names of its outputs.
    """

    architecture: str
    model_type: str
    supported: bool
    sizes: Mapping[str, int]
    kind: str
    labels: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "sizes": dict(self.sizes), "labels": list(self.labels)}


@dataclass(frozen=True)
class Inspected:
    """A folder, looked at.

    Attributes:
        folder: as given.
        said: by its config.
        passes: that made it; empty where axkit did not.
        runtime: that answers.
        quantized: how it is stored, in words.
        missing: what it lacks, in words.
        files: of the folder.
        inside: the loaded model; None where it cannot be loaded here.
        fault: why not; empty where it was.
        recipe: to start from; empty where no pass can.
    """

    folder: str
    said: Said
    passes: tuple[str, ...]
    runtime: str
    quantized: str
    missing: tuple[str, ...]
    files: Held
    inside: Inside | None
    fault: str
    recipe: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "folder": self.folder,
            **self.said.to_json(),
            "passes": list(self.passes),
            "runtime": self.runtime,
            "quantized": self.quantized,
            "missing": list(self.missing),
            "fault": self.fault,
            "recipe": self.recipe,
            "files": self.files.to_json(),
            "inside": None if self.inside is None else self.inside.to_json(),
        }


def inspect(folder: str | Path) -> Inspected:
    """Look at a model folder, axkit's or not. Nothing of it is run, and no pickle is opened.

    Args:
        folder: with a config.json; what else is wrong with it is told, not refused.

    Raises:
        CheckpointError: no folder, or no config that can be read.
    """
    place = Path(folder)
    if not place.is_dir():
        check_name(str(folder))
        raise CheckpointError(f"{folder} is no folder; give one with a config.json")
    config, held = read_config(place), Held.of(place)
    subject, fault = _loaded(place)
    manifest = _manifest(place)
    about = manifest.about if manifest else About()
    kind, labels = _head(config, about, place)
    inside, lacks = (None, []) if subject is None else _inside(subject, about, place)
    lacks += [] if kind else ["a head for a task"]
    lacks += ["names of labels"] if labels and all(one == f"LABEL_{at}" for at, one in enumerate(labels)) else []
    trail = manifest.trail if manifest else subject.trail if subject else ()
    recipe = ""
    if inside is not None and inside.wins and subject is not None:
        recipe = starting_recipe(place, kind, subject.family, labels)
    return Inspected(
        folder=str(folder),
        said=_said(config, kind, labels),
        passes=tuple(step.name for step in trail),
        runtime=manifest.runtime if manifest else TORCH,
        quantized=_quantized(config, held),
        missing=tuple(lacks),
        files=held,
        inside=inside,
        fault=fault,
        recipe=recipe,
    )


def _said(config: Mapping[str, Any], kind: Kind | None, labels: tuple[str, ...]) -> Said:
    sizes, named = _sizes(config), str((config.get("architectures") or ["?"])[0])
    called = kind.name if kind else ""
    return Said(named, str(config["model_type"]), sizes is not None, sizes or {}, called, labels)


def _loaded(folder: Path) -> tuple[Subject | None, str]:
    try:
        return load_to_work(folder), ""
    except AxkitError as error:  # what is wrong with it is what was asked
        return None, str(error)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except AxkitError:  # it is damaged: told where it is loaded
        return None


def _head(config: Mapping[str, Any], about: About, folder: Path) -> tuple[Kind | None, tuple[str, ...]]:
    """The kind of task, as the folder says it or as its class does, and the names of the outputs."""
    try:
        names = [about.kind] if about.kind is not None else our_kinds()
        for name in names:
            head = head_of(config, name, str(folder))
            if head is not None:
                return kind_of(name), head.names
    except AxkitError:  # a kind that is not installed: told where it is loaded
        pass
    return None, ()


def _sizes(config: Mapping[str, Any]) -> dict[str, int] | None:
    try:
        family = family_of(str(config["model_type"]))
        plain = SimpleNamespace(**config)
        found = {what: int(family.size(plain, what)) for what in ("layers", "hidden", "heads", "ffn_width")}
    except (AxkitError, AttributeError, TypeError):
        return None
    vocabulary = config.get("vocab_size")
    return found | ({"vocabulary": vocabulary} if isinstance(vocabulary, int) else {})


def _quantized(config: Mapping[str, Any], held: Held) -> str:
    """By what the config says and what kinds of numbers the weights are."""
    said = config.get("quantization_config")
    method = said.get("quant_method") if isinstance(said, Mapping) else None
    whole = sum(held.stored.values())
    kinds = ", ".join(f"{kind} {100 * size / whole:.0f} %" for kind, size in _most(held.stored)) if whole else "unknown"
    return f"by {method} ({kinds})" if method else kinds


def _most(stored: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(stored.items(), key=lambda item: -item[1])


def _inside(subject: Subject, about: About, folder: Path) -> tuple[Inside | None, list[str]]:
    if not subject.has_module:
        return None, []
    model, family = subject.module, subject.family
    parts, lacks = bytes_by_part(model, family), []
    seconds, batch = {}, ""
    try:
        opened = opened_with(folder, subject)
    except AxkitError as error:
        lacks.append(f"a reader that fits ({error})")
    else:
        inputs, batch = _batch(opened.reader, opened.limit, about, subject)
        assert isinstance(subject.body, TorchBody), "it has a module"
        seconds = seconds_by_part(subject.body, family, inputs)
    found = idle(model, family, subject.structure)
    by = ended_by(subject)
    could = () if by else wins(model, parts, seconds)
    return Inside(subject.body.values(), subject.structure, found, parts, seconds, batch, could, by), lacks


def _batch(reader: Any, limit: int, about: About, subject: Subject) -> tuple[Mapping[str, Any], str]:
    """A batch as the folder's own rows are long, and what it is in words."""
    if isinstance(reader, ImageReader):
        return Inputs.images(_ROWS, reader.shape).batches[0], f"{_ROWS} images"
    told = about.token_lengths
    lengths = sorted(min(one, limit) for one in (told or (_TOKENS,) * _ROWS)[:_ROWS])
    found = Inputs.like(lengths, reader.model_input_names, int(subject.body.config["vocab_size"]))
    of = "as its own test rows are long" if told else "each"
    return found.batches[0], f"{len(lengths)} texts of {lengths[-1]} tokens {'at most, ' if told else ''}{of}"

"""The kind of task that a model was made for: as its folder says, else by architecture and config. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.ground.errors import AxkitError, CheckpointError, DataError
from axkit.tasks.about import About
from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.kinds.kind import our_kinds
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.kinds.voice import Voice
from axkit.tasks.labels.head import output_names
from axkit.tasks.spec import TaskSpec, resolve


@dataclass(frozen=True)
class Asked:
    """How a model is asked.

    Attributes:
        kind: makes inputs of texts.
        voice: says what comes out; another kind where an image model has several labels or gives a score.
        spec: of the task; None where the folder tells of none.
        names: of the outputs; of the classes, where outputs stand for none and the folder tells them.
    """

    kind: TaskKind
    voice: Voice
    spec: TaskSpec | None
    names: tuple[str, ...]

    @property
    def takes(self) -> tuple[int, ...]:
        """How many texts a row may have."""
        return self.kind.about.takes if self.spec is None else (len(self.spec.columns),)

    def spec_for(self, limit: int) -> TaskSpec:
        """The task's spec, or one that takes as many tokens as the model."""
        if self.spec is not None:
            return self.spec
        about = self.kind.about
        columns = ["text", "pair"][: max(about.takes)]
        of = {"image": "image"} if about.inputs == "pixels" else {"text": columns}
        lengths = self.kind.voice.lengths(limit)
        return TaskSpec(kind=about.name, label="label", **of, **lengths)  # type: ignore[arg-type]

    def texts(self, folder: Path, text: str, pair: str | None) -> tuple[str, ...]:
        """What was asked, as the texts of a row.

        Raises:
            DataError: too few texts, too many, or an empty one.
        """
        given = (text,) if pair is None else (text, pair)
        what = "image" if self.kind.about.inputs == "pixels" else "text"
        if len(given) not in self.takes and len(given) > 1:
            raise DataError(f"{folder} is for one {what} at a time; leave the second argument off")
        if len(given) not in self.takes:
            raise DataError(f"{folder} is for {self.kind.voice.pair}; give two")
        for one in given:
            if not one.strip():
                raise DataError(f"{folder}: an empty {what} says nothing; give one with words")
        return given


def asked(folder: Path, config: Mapping[str, Any], about: About) -> Asked:
    """How the model of a folder is asked.

    Args:
        folder: for messages.
        config: its config.json.
        about: of its axkit.json; empty where it has none.

    Raises:
        CheckpointError: its head is of no kind that axkit knows, or its config is damaged.
    """
    head, said = _by_config(folder, config)
    spec = None
    if about.task is not None:
        with suppress(AxkitError):  # a task of a package that is not here: its kind is enough to ask
            spec = resolve(about.task, lambda _: str(folder)).spec
    kind = KINDS.get(str(spec.kind if spec else about.kind))
    if kind is None or kind.about.head != head.about.head:
        spec, kind = None, None
    names = output_names(config, str(folder)) if head.about.reads_names else ()
    if kind is not None and not kind.about.names_outputs and about.label_names:
        names = about.label_names
    return Asked(kind or head, (kind or said).voice, spec, names)


def _by_config(folder: Path, config: Mapping[str, Any]) -> tuple[TaskKind, TaskKind]:
    """(kind, voice) by architecture, problem_type and the number of outputs, as transformers' own losses go by them."""
    architectures = config.get("architectures")
    architecture = str(architectures[0] if isinstance(architectures, list) and architectures else "?")
    known = [KINDS[name] for name in our_kinds()]
    found = [kind for kind in known if architecture.endswith(f"For{kind.about.head}")]
    if not found:
        raise CheckpointError(
            f"{folder} holds a {architecture}, which answers none of axkit's kinds of task; give a run folder or a "
            f"model with a head"
        )
    if not any(kind.about.problem_type for kind in found):
        return found[0], found[0]
    problem = config.get("problem_type")
    if len(output_names(config, str(folder))) == 1 and problem != "multi_label_classification":
        problem = "regression"
    voices = {kind.about.problem_type: kind for kind in reversed(known) if kind.about.problem_type}
    voice = voices.get(str(problem), KINDS["classification"])
    return (voice if voice in found else found[0]), voice

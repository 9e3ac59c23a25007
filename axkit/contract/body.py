"""What a runtime is: a body that answers. All that an author of one has to read; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from axkit.contract.manifest import Manifest

if TYPE_CHECKING:
    from torch import Tensor

METHODS = ("answer", "wait", "values", "copy", "save", "load")
MEMBERS = ("runtime", "config", *METHODS)


class Body(Protocol):
    """What answers: a torch module, a session of another runtime, a table. One entry point ``axkit.runtimes`` each.

    A pass makes one out of another (``subject.body = ...``); from there on it is measured, saved, loaded and asked
    through these members alone.

    Attributes:
        runtime: the name of the entry point, and what the folder's manifest says.
        config: of the model, as config.json of a stock transformers checkpoint has it, whole: ``model_type``,
            ``architectures``, ``id2label``, ``vocab_size``. What a body is made of another for keeps that one's.

    A class may say ``keeps_model = True`` where ``save`` writes a transformers model's own files beside its own: then
    transformers loads the folder too, and recipes start from it.

    Where ``save`` writes a ``predict.py``, it is one that asks the model without axkit and without PyTorch: ``python
    predict.py TEXT [SECOND TEXT]``, or the path of an image, prints what ``axkit predict`` prints, of tags one for each
    piece. ``axkit verify`` holds it to that.
    """

    runtime: ClassVar[str]

    @property
    def config(self) -> Mapping[str, Any]: ...

    def answer(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Named outputs (``logits``; ``start_logits`` and ``end_logits``) of a batch: in eval mode, without gradients.

        Args:
            inputs: what the reader makes, each (batch, ...), on the CPU, padded on the right.

        Returns:
            On the CPU, each (batch, ...). They may not have arrived yet (``wait``).
        """
        ...

    def wait(self) -> None:
        """Return when all that was asked is answered; timing calls it."""
        ...

    def values(self) -> int:
        """Numbers stored, whatever their width: weights, scales, tables."""
        ...

    def copy(self) -> Self:
        """An independent copy: what is done to one, the other does not show."""
        ...

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """Write it into a folder, as files that lie in the folder itself; no pickle, and nothing elsewhere.

        Args:
            folder: there is one.
            manifest: what will stand beside it, without hashes.

        Returns:
            Every file written. Where config.json is none of them, axkit writes ``config`` there.
        """
        ...

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """The inverse of ``save``: the same answers, bit by bit.

        Args:
            folder: checked: its files are those that were saved.
            manifest: of it.

        Raises:
            CheckpointError: one sentence that names the file and the way out.
        """
        ...

"""What a model says of one input (``axkit predict``), by the kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from axkit.tasks.kinds.feed import Encoded
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec

Said = dict[str, Any] | list[dict[str, Any]]  # of one input: label -> probability, an answer; a tag for each word
LONGEST = 8192  # of TaskSpec.max_length


class Voice(ABC):
    """What a model says of one input.

    Attributes:
        pair: what two texts are, in words.
    """

    pair: ClassVar[str] = "pairs of texts"

    def lengths(self, limit: int) -> Mapping[str, int]:
        """Settings of a TaskSpec for a model that takes ``limit`` tokens, where nothing is known of its task."""
        return {"max_length": min(LONGEST, limit)}

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """A split with one row of which nobody knows the label; by default its label is 0.

        Raises:
            DataError: the texts are no row.
        """
        return SplitRows([texts], np.zeros(1, np.int64), names)

    def heard(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """What ``said`` needs, per example; by default its logits, (outputs,)."""
        return list(logits.float())

    @abstractmethod
    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """What a model says of one row, as JSON.

        Args:
            heard: of its examples.
            encoded: the split that ``asked`` made.
            spec: of the task.
            rows: that split before, with the names of the outputs, or of the classes where outputs stand for none.
        """

    def was_cut(self, texts: tuple[str, ...], reader: Any, limit: int, encoded: Encoded) -> bool:
        """Whether some of the row that ``asked`` made is not read."""
        return len(reader(*texts, verbose=False)["input_ids"]) > limit

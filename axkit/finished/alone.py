"""A folder's ``predict.py``: whether it is its runtime's own, what it is asked, how far it is from what axkit says."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from axkit.contract.body import Body
from axkit.contract.manifest import Manifest
from axkit.runtimes.known import save_body
from axkit.tasks.asking import Asked
from axkit.tasks.kinds.kind import our_kinds
from axkit.tasks.kinds.voice import Said

_SENTENCES = ("A fine story, told well.", "This is far too long and rather dull.")


def is_ours(path: Path, body: Body, manifest: Manifest) -> bool:
    """Whether a script is, to the letter, what the body of its folder writes beside itself.

    Args:
        path: of the script.
        body: that the folder holds.
        manifest: of the folder.
    """
    with tempfile.TemporaryDirectory(prefix="axkit-verify-") as made:
        save_body(body, Path(made), manifest)
        again = Path(made) / path.name
        return again.is_file() and again.read_bytes() == path.read_bytes()


def questions(how: Asked, place: Path) -> list[tuple[str, ...]]:
    """What a script is asked: two sentences, a pair both ways round, or the paths of two images.

    Args:
        how: the model is asked.
        place: a folder for images.
    """
    if how.kind.about.inputs == "pixels":
        return [(str(_image(place / f"{number}.png", number)),) for number in range(2)]
    both = _SENTENCES, _SENTENCES[::-1]
    return [one[: min(how.takes)] for one in both]


def _image(path: Path, number: int) -> Path:
    """Values that follow from their place, 48 x 64 in three channels."""
    import numpy as np
    from PIL import Image

    y, x, c = np.ogrid[:48, :64, :3]
    Image.fromarray(((3 + 2 * number) * x + 2 * y + 60 * c).astype(np.uint8)).save(path)
    return path


def is_compared(how: Asked) -> bool:
    """False where what outputs say is known to somebody else's kind of task alone."""
    return how.kind.about.name in our_kinds()


def how_far(said: Said, printed: str) -> float:
    """How far a script is from axkit: the largest difference of shares or scores, or the share of other tags.

    Args:
        said: by axkit.
        printed: by the script: a label, or a word or piece and its tag, on each line, or the answer to a question.

    Returns:
        Beside the score where that is above 1; infinity where labels or answers are others.
    """
    lines = printed.rstrip("\n").split("\n")
    if not isinstance(said, Mapping):
        return _other_tags(said, lines)
    if "answer" in said:
        return 0.0 if said["answer"] == "\n".join(lines) else math.inf
    found = {label: value for label, _, value in (line.rpartition("\t") for line in lines)}
    if found.keys() != said.keys():
        return math.inf
    gaps: list[float] = [abs(_number(found[label]) - one) / max(1.0, abs(one)) for label, one in said.items()]
    return max(gaps)


def _number(printed: str) -> float:
    """Infinity where it is none."""
    try:
        found = float(printed)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(found) else found


def _other_tags(said: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> float:
    """The share of words whose first piece has another tag."""
    text = " ".join(one["word"] for one in said)
    word_at = [index for index, one in enumerate(said) for _ in range(len(one["word"]) + 1)]
    found: dict[int, str] = {}
    end = 0
    for line in lines:
        piece, _, tag = line.rpartition("\t")
        start = text.find(piece.strip(), end) if piece.strip() else -1
        if start >= 0:
            end = start + len(piece.strip())
            found.setdefault(word_at[start], tag)
    wanted = {index: one["tag"] for index, one in enumerate(said) if one["probability"] is not None}
    others = [index for index, tag in wanted.items() if found.get(index) != tag]
    return len(others) / max(1, len(wanted))

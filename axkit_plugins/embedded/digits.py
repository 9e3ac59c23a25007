"""``embedded:digits``: 1,797 scans of handwritten digits, 8 x 8 pixels of 17 shades of grey.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository 1998
(CC BY 4.0); the copy within scikit-learn. Nothing of scikit-learn is imported.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from axkit import DataError, Row, SplitName, Task, TaskSpec, split_by_hash

_SHARES: dict[SplitName, float] = {"test": 0.2, "search": 0.15}
_SIDE, _WHITE = 8, 16


def scans_file() -> Path:
    """Where scikit-learn keeps them.

    Raises:
        DataError: it is not installed, or keeps them no longer.
    """
    spec = find_spec("sklearn")
    path = Path(str(spec.origin)).parent / "datasets" / "data" / "digits.csv.gz" if spec else None
    if path is None or not path.is_file():
        raise DataError("embedded:digits are in scikit-learn, which is not installed: pip install 'scikit-learn>=1.5'")
    return path


def parse(text: str) -> list[Row]:
    """Lines of 64 shades from 0 to 16 and a digit -> rows of a PGM image, a label, and the shades as text."""
    rows: list[Row] = []
    for line in text.splitlines():
        *shades, digit = (int(float(field)) for field in line.split(","))
        image = b"P5 %d %d 255\n" % (_SIDE, _SIDE) + bytes(shade * 255 // _WHITE for shade in shades)
        rows.append({"image": {"bytes": image, "path": None}, "label": digit, "shades": " ".join(map(str, shades))})
    return rows


def _rows() -> Mapping[SplitName, list[Row]]:
    with gzip.open(scans_file(), "rt", encoding="ascii") as file:
        return split_by_hash(parse(file.read()), "shades", _SHARES)


digits = Task(
    "embedded:digits",
    TaskSpec(kind="image_classification", image="image", label="label", label_names=[*"0123456789"]),
    _rows,
    "1,797 scans of handwritten digits, 8 x 8 pixels (Alpaydin & Kaynak 1998).",
)

"""A graph opened with onnxruntime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime


def opened(folder: Path) -> tuple[list[str], Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]]:
    """Names of the inputs, and what makes outputs of them."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return [one.name for one in session.get_inputs()], lambda given: dict(
        zip(names, session.run(None, given), strict=True)
    )

"""A graph opened with OpenVINO, in bfloat16 where it is to be and this processor has it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino


def opened(folder: Path) -> tuple[list[str], Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]]:
    """Names of the inputs, and what makes outputs of them."""
    core, about = openvino.Core(), json.loads((folder / "export.json").read_text(encoding="utf-8"))
    wide = about["computes"] == "bfloat16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    how = {"INFERENCE_PRECISION_HINT": "bf16" if wide else "f32"}
    model = core.compile_model(str(folder / "model.onnx"), "CPU", how)
    names = [one.get_any_name() for one in model.inputs]
    return names, lambda given: {one.get_any_name(): value for one, value in model(given).items()}

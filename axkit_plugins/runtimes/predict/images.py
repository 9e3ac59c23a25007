"""Ask the model in this folder: python predict.py IMAGE"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from axkit_plugins.runtimes.predict.in_onnxruntime import opened
from axkit_plugins.runtimes.predict.labels import told

HERE = Path(__file__).resolve().parent
CONFIG, SAID = (json.loads((HERE / f"{name}.json").read_text("utf-8")) for name in ("config", "preprocessor_config"))
(INPUT,), RUN = opened(HERE)


def extent(name: str) -> dict[str, int]:
    """A size of preprocessor_config.json, which may be one number for both edges."""
    return {"height": SAID[name], "width": SAID[name]} if isinstance(SAID[name], int) else SAID[name]


def pixels(path: str) -> np.ndarray:
    """(1, channels, height, width), as preprocessor_config.json wants it: resized, cropped, rescaled, normalised."""
    mean, std = (np.array(SAID.get(f"image_{name}") or [0.5] * 3, np.float32) for name in ("mean", "std"))
    image = Image.open(path).convert("RGB" if len(mean) == 3 else "L")
    if SAID.get("do_resize", True):
        size, resample = extent("size"), SAID.get("resample")
        if "shortest_edge" in size:
            edge, short = size["shortest_edge"], min(image.size)
            size = {"width": edge * image.width // short, "height": edge * image.height // short}
        image = image.resize((size["width"], size["height"]), 2 if resample is None else resample)
    if SAID.get("do_center_crop"):
        wide, high = extent("crop_size")["width"], extent("crop_size")["height"]
        left, top = (image.width - wide) // 2, (image.height - high) // 2
        image = image.crop((left, top, left + wide, top + high))
    values = np.asarray(image, np.float32).reshape(image.height, image.width, len(mean))
    values = values * np.float32(SAID.get("rescale_factor") or 1 / 255) if SAID.get("do_rescale", True) else values
    values = (values - mean) / std if SAID.get("do_normalize", True) else values
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def said(paths: list[str]) -> list[str]:
    """Labels with their shares for an image, the likeliest first, or its score."""
    return told(RUN({INPUT: pixels(paths[0])})["logits"][0], CONFIG)


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))

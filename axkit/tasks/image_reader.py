"""Images to what a model reads, as its preprocessor_config.json says, by Pillow and NumPy. Imports no torch."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from axkit.ground.errors import AxkitError, CheckpointError, DataError, NotApplicable
from axkit.ground.extras import way_to
from axkit.ground.files import read_object
from axkit.tasks.spec import Row, TaskSpec

CONFIG = "preprocessor_config.json"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no others: Pillow hands some to outside programs
_CONVERTED = {1: "L", 3: "RGB"}


def image_of(spec: TaskSpec, row: Row, where: str) -> tuple[Any, ...]:
    """A row's image: a path, or {"bytes": the content of an image file, "path": ...} as ``datasets`` has it."""
    value = row.get(spec.columns[0])
    inside = isinstance(value, Mapping) and isinstance(value.get("bytes") or value.get("path"), bytes | str)
    if not inside and not (isinstance(value, str) and value):
        raise DataError(f"{where}: '{spec.columns[0]}' is no path of an image ({value!r:.60}); mend or drop the row")
    return (value,)


def content(value: Any, where: str = "") -> bytes:
    """The bytes of an image file, of a row's image.

    Raises:
        DataError: there is no such file.
    """
    if isinstance(value, Mapping) and value.get("bytes"):
        return bytes(value["bytes"])
    path = str(value["path"] if isinstance(value, Mapping) else value)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"{where or 'the row'}: image {path} cannot be read ({error.strerror}); mend the path"
        ) from None


def decoded(data: bytes, where: str) -> Any:
    """A ``PIL.Image``, wholly decoded.

    Raises:
        DataError: it is no image, a damaged one, or one of far too many pixels.
        NotApplicable: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise NotApplicable(f"images need the package Pillow: {way_to('images')}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd tags of TIFF files that can be read
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            image.load()
    except UnidentifiedImageError:
        raise DataError(f"{where} is no image that axkit reads ({', '.join(_FORMATS)}); mend or drop the row") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{where} holds a damaged image ({error}); mend or drop the row") from error
    if image.mode.startswith(("I", "F")):  # made of 8 bits they would be cut off, not scaled
        raise DataError(f"{where} holds an image of more than 8 bits a channel ({image.mode}); save it with 8")
    return image


class ImageReader:
    """The image processor of a checkpoint: resize, crop, rescale, normalise. It stands where a tokenizer would.

    Args:
        config: of a transformers image processor.

    Raises:
        CheckpointError: a step that is not known, or images that would differ in size.
    """

    model_input_names = ("pixel_values",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        says = {"do_resize": True, "do_center_crop": False, "do_rescale": True, "do_normalize": True, **config}
        unknown = [key for key, value in says.items() if key.startswith("do_") and value and key not in _STEPS]
        if unknown:
            raise CheckpointError(f"{CONFIG}: axkit does not know the step '{unknown[0]}'; switch it off")
        for key in ("image_mean", "image_std"):
            if says.get(key) and not (isinstance(says[key], list) and all(map(_is_number, says[key]))):
                raise CheckpointError(f"{CONFIG}: {key} is {says[key]!r:.60}, not a list of numbers; mend the file")
        self._mean = np.array(says.get("image_mean") or [0.5] * 3, np.float32)
        self._std = np.array(says.get("image_std") or [0.5] * 3, np.float32)
        if len(self._mean) not in _CONVERTED:
            raise CheckpointError(f"{CONFIG}: images of {len(self._mean)} channels are not known; take 1 or 3")
        self._factor = np.float32(says.get("rescale_factor") or 1 / 255) if says["do_rescale"] else np.float32(1)
        if not (np.isfinite(self._mean).all() and (self._std > 0).all() and len(self._std) == len(self._mean)):
            raise CheckpointError(f"{CONFIG}: image_std is not above 0 for each channel of image_mean; mend the file")
        self._normalize = bool(says["do_normalize"])
        resample = says.get("resample")
        if resample is not None and (type(resample) is not int or not 0 <= resample <= 5):
            raise CheckpointError(f"{CONFIG}: resample is {resample!r:.40}, not a number from 0 to 5; mend it")
        self._resample = 2 if resample is None else int(resample)  # Pillow's numbers: 2 is bilinear, 0 the nearest
        self._size = _extent(says.get("size")) if says["do_resize"] else None
        self._crop = _extent(says.get("crop_size")) if says["do_center_crop"] else None
        last = self._crop or self._size
        if last is None or len(last) == 1:
            raise CheckpointError(f"{CONFIG} leaves images in different sizes; give it a 'size' of height and width")
        if self._crop and self._size and min(self._size) < max(self._crop):
            raise CheckpointError(f"{CONFIG} crops more than it leaves; make 'size' at least 'crop_size'")
        self.shape = (len(self._mean), *last)

    @classmethod
    def from_folder(cls, folder: Path) -> ImageReader:
        """The reader of a checkpoint.

        Raises:
            CheckpointError: it has none, or one that is damaged.
        """
        path = folder / CONFIG
        try:
            config = read_object(path)
        except FileNotFoundError:
            raise CheckpointError(f"{folder} has no {CONFIG}; save the model's image processor there") from None
        try:
            return cls(config)
        except AxkitError as error:
            raise CheckpointError(f"{folder}: {error}") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{path} cannot be read ({error!r}); save the image processor again") from error

    def pixels(self, data: bytes, where: str = "the image") -> Any:
        """An image file's content -> (channels, height, width), uint8.

        Raises:
            DataError: it is no image.
        """
        image = decoded(data, where).convert(_CONVERTED[len(self._mean)])
        if self._size is not None:
            height, width = self._size if len(self._size) == 2 else _by_short_edge(image, self._size[0])
            if (width, height) != image.size:
                image = image.resize((width, height), self._resample)
        array = np.asarray(image, np.uint8)
        array = array[:, :, None] if array.ndim == 2 else array
        if self._crop is not None:
            height, width = self._crop
            if array.shape[0] < height or array.shape[1] < width:
                raise DataError(f"{where} is smaller than the {height} x {width} that {CONFIG} crops it to; drop it")
            top, left = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
            array = array[top : top + height, left : left + width]
        return np.ascontiguousarray(array.transpose(2, 0, 1))

    def values(self, pixels: Any) -> Any:
        """(batch, channels, height, width) of uint8 -> what the model reads, float32."""
        values = pixels.astype(np.float32) * self._factor
        if self._normalize:
            values = (values - self._mean[:, None, None]) / self._std[:, None, None]
        return values

    def makes_the_same(self, other: ImageReader) -> bool:
        """True when another reader makes the same of every image."""
        names = ("_mean", "_std", "_factor", "_normalize", "_resample", "_size", "_crop")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def to_json(self) -> dict[str, Any]:
        """The config."""
        return self.config

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the config, as transformers does."""
        (Path(folder) / CONFIG).write_text(json.dumps(self.config, indent=2), encoding="utf-8")


_LARGEST = 4096  # of an image's edges, far above any model
_STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _extent(said: Any) -> tuple[int, ...] | None:
    """(height, width), or (short edge,); transformers' configs say it in several ways."""
    found: tuple[Any, ...] = (said, said)
    if isinstance(said, Mapping):
        found = (said["shortest_edge"],) if "shortest_edge" in said else (said.get("height"), said.get("width"))
    if all(type(one) is int and 0 < one <= _LARGEST for one in found):
        return found
    raise CheckpointError(f"{CONFIG}: size {said!r} is not known; give height and width, or shortest_edge")


def _by_short_edge(image: Any, edge: int) -> tuple[int, int]:
    width, height = image.size
    short, long = min(width, height), max(width, height)
    other = int(edge * long / short)
    return (other, edge) if width <= height else (edge, other)

"""Folders that hold something else than a whole checkpoint: what it is, and the way out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from axkit.contract.manifest import MANIFEST, holds_model
from axkit.ground.errors import CheckpointError
from axkit.ground.files import MEGABYTE, read_object

# the first that is there says it; a pattern, what it is, the way out
_KINDS = (
    ("adapter_config.json", "an adapter (LoRA) without its model", "merge it into its model and save the whole"),
    ("adapter_model.*", "an adapter (LoRA) without its model", "merge it into its model and save the whole"),
    ("model_index.json", "a diffusers pipeline", "give a folder of one text or image model"),
    ("*.incomplete", "a download that did not finish", "download it again"),
    ("*.part", "a download that did not finish", "download it again"),
    ("*.crdownload", "a download that did not finish", "download it again"),
    ("*.bin", "a pickle checkpoint, which axkit never opens", "save it again as safetensors with save_pretrained"),
    ("*.pt", "a pickle checkpoint, which axkit never opens", "save it again as safetensors with save_pretrained"),
    ("*.pth", "a pickle checkpoint, which axkit never opens", "save it again as safetensors with save_pretrained"),
    ("*.ckpt", "a pickle checkpoint, which axkit never opens", "save it again as safetensors with save_pretrained"),
    ("*.gguf", "a GGUF file", "give the checkpoint that it was made of"),
    ("*.onnx", "an ONNX model", "give the checkpoint that it was exported from"),
    ("onnx/*.onnx", "an ONNX model", "give the checkpoint that it was exported from"),
    ("openvino_model.*", "an OpenVINO model", "give the checkpoint that it was exported from"),
    ("*.h5", "TensorFlow weights", "load them with from_tf=True and save the model as safetensors"),
    ("*.msgpack", "Flax weights", "load them with from_flax=True and save the model as safetensors"),
)


def what_it_is(folder: Path, otherwise: str) -> str:
    """The sentence about a folder that lacks what a checkpoint has; ``otherwise`` where nothing says what it is."""
    for pattern, what, way_out in _KINDS:
        if next(folder.glob(pattern), None) is not None:
            return f"{folder} holds {what}; {way_out}"
    below = sorted(path.parent for path in folder.glob("*/config.json"))
    return f"{folder} is no checkpoint, {below[0]} looks like one; give that folder" if below else otherwise


def refuse_other_runtime(folder: Path) -> None:
    """Refuse a folder of axkit's whose files are no transformers model's: no pass, and no other model, starts from it.

    Raises:
        CheckpointError: names the runtime.
    """
    runtime, keeps = None, None
    with suppress(FileNotFoundError, CheckpointError):  # a manifest that cannot be read is told of elsewhere
        found = read_object(folder / MANIFEST, 64 * MEGABYTE)
        runtime, keeps = found.get("runtime"), found.get("keeps_model")
    if isinstance(runtime, str) and not holds_model(runtime, keeps is True):
        raise CheckpointError(
            f"{folder} holds a model of the runtime '{runtime:.80}', from which nothing is loaded to work on; give "
            f"the checkpoint that it was made of"
        )

"""Single modules as arrays: weights by how they are stored, norms, rotations, distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from axkit import NotApplicable
from axkit.kit import weight_matrix
from axkit_plugins.runtimes.network.matrix import Array, Bytes, Floats, Matrix, Nibbles
from axkit_plugins.runtimes.network.network import Norm, Patches, Rotary

_HALF = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


def stored(module: Any, where: str) -> Matrix:
    """The weight of a linear layer or an embedding, as it is stored: known by its tensors, whoever made it.

    Args:
        module: of it.
        where: it stands, for the message.

    Raises:
        NotApplicable: it is stored in a way of which no graph is built.
    """
    for read in (_floats, _bytes, _nibbles):
        found = read(module)
        if found is not None:
            return found
    raise NotApplicable(
        f"{where} is stored as a {type(module).__name__}, of which no graph is built; export before it, or take int8 "
        f"or int4_vsq in its place"
    )


def _floats(module: Any) -> Floats | None:
    if type(module) not in (nn.Embedding, nn.Linear, Conv1D):  # what derives from them computes something else
        return None
    weight = module.weight if isinstance(module, nn.Embedding) else weight_matrix(module)
    plain = type(weight) in (Tensor, nn.Parameter) and weight.is_floating_point()
    return Floats(array_of(weight), _HALF.get(weight.dtype, "")) if plain else None


def _bytes(module: Any) -> Bytes | None:
    weight, scale = getattr(module, "weight", None), getattr(module, "scale", None)
    if not isinstance(weight, Tensor) or not isinstance(scale, Tensor):
        return None
    if weight.dtype != torch.int8 or scale.shape != weight.shape[:1]:
        return None
    step, zero = getattr(module, "input_scale", None), getattr(module, "input_zero", None)
    grid = (float(step), int(zero)) if step is not None and zero is not None else None
    return Bytes(weight.detach().numpy().copy(), array_of(scale), grid)


def _nibbles(module: Any) -> Nibbles | None:
    numbers: Callable[[], Any] | None = getattr(module, "numbers", None)
    if numbers is None or getattr(module, "activation_bits", None) is not None:
        return None
    found = numbers()
    scale = found.vector_scale.float() * found.scale[:, None]
    return Nibbles(found.codes.numpy(), array_of(scale), int(module.vector))


def array_of(tensor: Tensor) -> Array:
    """A copy, in float32."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy()).copy()


def norm_of(module: Any) -> Norm | None:
    """The numbers of a LayerNorm; None for what stands where there is none."""
    if isinstance(module, nn.Identity):
        return None
    bias = getattr(module, "bias", None)
    return Norm(array_of(module.weight), None if bias is None else array_of(bias), float(module.eps))


def patches_of(embeddings: Any) -> Patches:
    """What a ViT reads an image with."""
    convolution = embeddings.patch_embeddings.projection
    first, positions = (array_of(one[0]) for one in (embeddings.cls_token, embeddings.position_embeddings))
    return Patches(array_of(convolution.weight), array_of(convolution.bias), first[0], positions)


def rotary_of(base: Any, layer: Any) -> Rotary | None:
    """How a layer's queries and keys are turned; None where they are not.

    Raises:
        NotApplicable: by angles that depend on the length.
    """
    rotary = getattr(base, "rotary_emb", None)
    if rotary is None:
        return None
    kind = layer.attention_type
    if rotary.rope_type[kind] not in ("default", "linear"):
        raise NotApplicable(
            f"its rotations are of the type '{rotary.rope_type[kind]}', of which no graph is built; keep it in PyTorch"
        )
    return Rotary(array_of(getattr(rotary, f"{kind}_inv_freq")), float(getattr(rotary, f"{kind}_attention_scaling")))


def distances_of(base: Any, config: Any) -> Array | None:
    """What an encoder adds to scores by distance: a table by buckets, read for each distance that there can be."""
    encoder: Any = getattr(base, "encoder", None)
    table = getattr(encoder, "relative_attention_bias", None)
    if table is None:
        return None
    most = int(config.max_position_embeddings)
    buckets = encoder.relative_position_bucket(torch.arange(-most, most + 1), num_buckets=32)
    with torch.no_grad():
        return array_of(table(buckets))

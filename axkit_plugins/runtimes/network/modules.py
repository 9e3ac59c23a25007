"""Single modules as arrays: weights by how they are stored, norms, rotations, distances."""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from axkit import NotApplicable
from axkit.kit import weight_matrix
from axkit_plugins.runtimes.network.matrix import Array, Bytes, Floats, Matrix, Nibbles
from axkit_plugins.runtimes.network.network import Norm, Patches, Rotary

_HALF = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


class _Numbers(Protocol):
    """What a 4-bit layer says of its weights."""

    codes: Tensor
    scale: Tensor
    vector_scale: Tensor


class _FewBits(Protocol):
    """A 4-bit layer: columns that share a scale, and its weights unpacked."""

    vector: int

    def numbers(self) -> _Numbers: ...


class _Patches(Protocol):
    """What a ViT begins with."""

    cls_token: Tensor
    position_embeddings: Tensor


class _ByDistance(Protocol):
    """An encoder that adds to scores by distance."""

    relative_attention_bias: nn.Embedding

    def relative_position_bucket(self, distance: Tensor, num_buckets: int) -> Tensor: ...


def part_of(module: nn.Module, path: str) -> nn.Module | None:
    """The module at a dotted path; None where there is none."""
    found: nn.Module | None = module
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def stored(module: nn.Module, where: str) -> Matrix:
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


def _floats(module: nn.Module) -> Floats | None:
    if type(module) not in (nn.Embedding, nn.Linear, Conv1D):  # what derives from them computes something else
        return None
    weight = module.weight if isinstance(module, nn.Embedding) else weight_matrix(module)
    plain = type(weight) in (Tensor, nn.Parameter) and weight.is_floating_point()
    return Floats(array_of(weight), _HALF.get(weight.dtype, "")) if plain else None


def _bytes(module: nn.Module) -> Bytes | None:
    weight, scale = getattr(module, "weight", None), getattr(module, "scale", None)
    if not isinstance(weight, Tensor) or not isinstance(scale, Tensor):
        return None
    if weight.dtype != torch.int8 or scale.shape != weight.shape[:1]:
        return None
    step, zero = getattr(module, "input_scale", None), getattr(module, "input_zero", None)
    grid = (float(step), int(zero)) if step is not None and zero is not None else None
    return Bytes(weight.detach().numpy().copy(), array_of(scale), grid)


def _nibbles(module: nn.Module) -> Nibbles | None:
    if not hasattr(module, "numbers"):
        return None
    layer = cast(_FewBits, module)
    found = layer.numbers()
    scale = found.vector_scale.float() * found.scale[:, None]
    return Nibbles(found.codes.numpy(), array_of(scale), layer.vector, getattr(module, "activation_bits", None))


def array_of(tensor: Tensor) -> Array:
    """A copy, in float32."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy()).copy()


def norm_of(module: nn.Module) -> Norm | None:
    """The numbers of a LayerNorm; None for what stands where there is none.

    Raises:
        NotApplicable: it is another norm.
    """
    if isinstance(module, nn.Identity):
        return None
    if not isinstance(module, nn.LayerNorm):
        raise NotApplicable(
            f"it has a {type(module).__name__}, and graphs are built with LayerNorm; keep it in PyTorch"
        )
    bias: Tensor | None = module.bias  # torch's own type forgets that there may be none
    return Norm(array_of(module.weight), None if bias is None else array_of(bias), float(module.eps))


def patches_of(embeddings: nn.Module) -> Patches:
    """What a ViT reads an image with."""
    weight, bias = convolution_in(embeddings.get_submodule("patch_embeddings.projection"))
    known = cast(_Patches, embeddings)
    first, positions = (array_of(one[0]) for one in (known.cls_token, known.position_embeddings))
    return Patches(weight, bias, first[0], positions)


def convolution_in(module: nn.Module) -> tuple[Array, Array]:
    """Weight and bias of a convolution."""
    assert isinstance(module, nn.Conv1d | nn.Conv2d)
    assert module.bias is not None
    return array_of(module.weight), array_of(module.bias)


def rotary_of(base: nn.Module, layer: nn.Module) -> Rotary | None:
    """How a layer's queries and keys are turned, by angles of ``ROTATIONS``; None where they are not."""
    rotary = part_of(base, "rotary_emb")
    if rotary is None:
        return None
    kind = str(layer.attention_type)
    return Rotary(array_of(getattr(rotary, f"{kind}_inv_freq")), float(getattr(rotary, f"{kind}_attention_scaling")))


def distances_of(base: nn.Module, most: int) -> Array | None:
    """What an encoder adds to scores by distance: a table by buckets, read for each distance that there can be.

    Args:
        base: the model without its head.
        most: tokens between two.
    """
    if part_of(base, "encoder.relative_attention_bias") is None:
        return None
    encoder = cast(_ByDistance, base.encoder)
    buckets = encoder.relative_position_bucket(torch.arange(-most, most + 1), num_buckets=32)
    with torch.no_grad():
        return array_of(encoder.relative_attention_bias(buckets))

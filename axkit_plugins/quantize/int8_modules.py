"""Linear and embedding layers that hold int8 weights: plain tensors in safetensors, quantized kernels at run time."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

_MAX = 127  # symmetric: -127..127, so that zero is exact


def kernel() -> str | None:
    """The quantized engine of this PyTorch on this processor, or None."""
    for engine in ("x86", "fbgemm", "onednn"):
        if engine in torch.backends.quantized.supported_engines:
            return engine
    return None


def to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) float -> (rows, columns) int8 and (rows,) float32 scales; weight ~ int8 * scale."""
    scale = weight.detach().abs().amax(dim=1).float().clamp_min(torch.finfo(torch.float32).tiny) / _MAX
    return (weight.detach().float() / scale[:, None]).round().clamp(-_MAX, _MAX).to(torch.int8), scale


class Int8Linear(nn.Module):
    """y = x W^T + b with int8 W (out, in), one float32 scale per output, float32 bias."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, in_features: int, out_features: int, bias: bool, device: Any = None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8, device=device))
        self.register_buffer("scale", torch.ones(out_features, device=device))
        self.register_buffer("bias", torch.zeros(out_features, device=device) if bias else None)
        self._packed: Any = None

    @classmethod
    def from_float(cls, linear: Any) -> Int8Linear:
        """Quantize a linear layer, or GPT-2's Conv1D, whose weight is (in, out)."""
        weight = linear.weight if isinstance(linear, nn.Linear) else linear.weight.T
        made = cls(weight.shape[1], weight.shape[0], linear.bias is not None)
        made.weight, made.scale = to_int8(weight.contiguous())
        if linear.bias is not None:
            made.bias = linear.bias.detach().float().clone()
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out). Activations get one scale per call; on other devices float32 is computed."""
        if x.device.type != "cpu" or not self.weight.numel() or not x.numel() or kernel() is None:
            return nn.functional.linear(x, self.weight.to(x.dtype) * self.scale[:, None].to(x.dtype), self.bias)
        if self._packed is None:
            self._packed = self._pack()
        return torch.ops.quantized.linear_dynamic(x.float(), self._packed, reduce_range=False).to(x.dtype)  # type: ignore[no-any-return]

    def _pack(self) -> Any:
        torch.backends.quantized.engine = kernel() or "none"
        zeros = torch.zeros(self.out_features, dtype=torch.long)
        with warnings.catch_warnings():  # the tensor type is deprecated, the kernels are not; decision 0004
            warnings.filterwarnings("ignore", message=".*quantized tensor creation functions", category=UserWarning)
            quantized = torch._make_per_channel_quantized_tensor(self.weight, self.scale.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(quantized, self.bias)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._packed = None
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}  # the kernel's own layout is remade where it is needed

    def extra_repr(self) -> str:
        """Sizes, for print(model)."""
        return f"in_features={self.in_features}, out_features={self.out_features}, int8"


class Int8Embedding(nn.Module):
    """A lookup table in int8 with one float32 scale per row."""

    weight: Tensor
    scale: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, device: Any = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.register_buffer("weight", torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8, device=device))
        self.register_buffer("scale", torch.ones(num_embeddings, device=device))

    @classmethod
    def from_float(cls, embedding: nn.Embedding) -> Int8Embedding:
        """Quantize an embedding."""
        made = cls(embedding.num_embeddings, embedding.embedding_dim, embedding.padding_idx)
        made.weight, made.scale = to_int8(embedding.weight)
        return made

    def forward(self, ids: Tensor) -> Tensor:
        """(...) int -> (..., embedding_dim) float32."""
        return nn.functional.embedding(ids, self.weight).float() * self.scale[ids].unsqueeze(-1)


def quantize(model: nn.Module, embeddings: bool, spare: Collection[str] = ()) -> dict[str, list[str]]:
    """Replace every linear layer, and the embeddings where asked, in place; returns the names that were replaced.

    Args:
        model: changed in place.
        embeddings: whether to.
        spare: names to leave in float.
    """
    state: dict[str, list[str]] = {"linear": [], "embedding": []}
    for name, module in list(model.named_modules()):
        if name in spare:
            continue
        if isinstance(module, nn.Linear | Conv1D) and module.weight.numel():  # pruned to nothing: only a bias is left
            _put(model, name, Int8Linear.from_float(module))
            state["linear"].append(name)
        elif embeddings and isinstance(module, nn.Embedding):
            _put(model, name, Int8Embedding.from_float(module))
            state["embedding"].append(name)
    return state


def restore(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Put empty int8 modules at the names of :func:`quantize`'s state."""
    for name in state["linear"]:
        linear: Any = model.get_submodule(name)
        shape = linear.weight.shape
        out_features, in_features = shape if isinstance(linear, nn.Linear) else reversed(shape)
        _put(model, name, Int8Linear(in_features, out_features, linear.bias is not None, linear.weight.device))
    for name in state["embedding"]:
        old: Any = model.get_submodule(name)
        _put(model, name, Int8Embedding(old.num_embeddings, old.embedding_dim, old.padding_idx, old.weight.device))


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and saved buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module.train(model.training))

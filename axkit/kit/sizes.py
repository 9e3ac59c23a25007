"""Bytes that weights take as they are stored: the one counter of passes that make them fewer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and saved buffers, as ``model.safetensors`` will hold them without its header."""
    return _bytes(model.state_dict())


def stored_bits(linear: nn.Module) -> int:
    """Bits that the weight of one layer takes: codes, scales and tables; its bias is left out.

    Args:
        linear: any module whose bias, if it has one, is called ``bias``.
    """
    return 8 * _bytes({name: stored for name, stored in linear.state_dict().items() if name != "bias"})


def _bytes(state: Mapping[str, object]) -> int:
    # bitsandbytes keeps a text and a number in its layers' states beside the tensors
    return sum(one.numel() * one.element_size() for one in state.values() if isinstance(one, Tensor))

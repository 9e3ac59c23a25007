"""The layer that ``w4`` puts in, and the numbers that it holds."""

import torch
from torch import nn

from axkit.kit import pack_nibbles, replace_module, unpack_nibbles, weight_matrix

_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6)  # of a channel's largest weight


class W4Linear(nn.Module):
    """y = x W^T + b with 4-bit W (out, in), two codes in a byte, and one float scale per output.

    Args:
        linear: a linear layer, or transformers' Conv1D, of the same sizes; its bias stays.
    """

    def __init__(self, linear):
        super().__init__()
        (self.out_features, self.in_features), device = weight_matrix(linear).shape, linear.weight.device
        packed = torch.zeros(self.out_features, -(-self.in_features // 2), dtype=torch.uint8, device=device)
        self.register_buffer("weight", packed)
        self.register_buffer("scale", torch.ones(self.out_features, device=device))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def fill(self, codes, scale):
        """Take the numbers of a weight: codes (out, in) int8 in -7..7, scale (out,)."""
        self.weight, self.scale = pack_nibbles(codes), scale

    def forward(self, x):
        """(..., in) -> (..., out)."""
        weight = unpack_nibbles(self.weight, self.in_features) * self.scale[:, None]
        return nn.functional.linear(x, weight.to(x.dtype), self.bias)


def codes_and_scale(weight, importance=None):
    """Codes (out, in) int8 and scales (out,) with the least squared error; ``importance`` (in,) weighs the columns."""
    weight = weight.detach().float()
    share = torch.ones_like(weight[0]) if importance is None else importance
    largest = weight.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny)
    scales = torch.stack([clip * largest / 7 for clip in _CLIPS])  # (clips, out)
    codes = (weight / scales[..., None]).round().clamp(-7, 7)
    best = ((codes * scales[..., None] - weight).square() * share).sum(-1).argmin(0)  # (out,)
    rows = torch.arange(len(weight), device=weight.device)
    return codes[best, rows].to(torch.int8), scales[best, rows]


def put_empty(model, names):
    """Empty 4-bit layers in the place of linear ones."""
    for name in names:
        replace_module(model, name, W4Linear(model.get_submodule(name)))

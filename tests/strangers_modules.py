"""Modules of somebody else's passes; apart, as a pass that imports torch at once makes every listing wait."""

from __future__ import annotations

import torch
from torch import nn


class Gained(nn.Linear):
    """A linear layer with a factor for each output; it can be carved, and is a plain one then."""

    def __init__(self, linear):
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, linear.weight.device)
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer("gain", torch.full((linear.out_features,), 1.5, device=linear.weight.device))

    def forward(self, x):
        return super().forward(x) * self.gain


class Sealed(nn.Module):
    """A linear layer as nobody can carve it."""

    def __init__(self, linear):
        super().__init__()
        self.inner = nn.Sequential(linear)

    def forward(self, x):
        return self.inner(x)


class Coded(nn.Module):
    """A linear layer with weights in 8 bits, a scale for all."""

    def __init__(self, linear, empty):
        super().__init__()
        weight = linear.weight.detach()
        scale = torch.ones(()) if empty else weight.abs().max() / 127
        codes = torch.zeros(weight.shape, dtype=torch.int8) if empty else (weight / scale).round().to(torch.int8)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x):
        return nn.functional.linear(x, self.codes.float() * self.scale, self.bias)


class Scaled(nn.Module):
    """What goes in, times a number that is saved."""

    def __init__(self, after):
        super().__init__()
        self.after = after
        self.register_buffer("by", torch.tensor(1.5))

    def forward(self, x):
        return self.after(self.by * x)


class Centred(nn.Linear):
    """A linear layer, less the mean of its outputs over all tokens, those of the padding too."""

    def __init__(self, linear):
        super().__init__(linear.in_features, linear.out_features)
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x):
        made = super().forward(x)
        return made - made.mean(1, keepdim=True)


class Stopped(nn.Linear):
    """A linear layer behind which no gradient comes."""

    def __init__(self, linear):
        super().__init__(linear.in_features, linear.out_features)
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x):
        return super().forward(x).detach()


class Doubled(nn.Module):
    """Twice what goes in; nothing of it is saved."""

    def forward(self, x):
        return 2 * x

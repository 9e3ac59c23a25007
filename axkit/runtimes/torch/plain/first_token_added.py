"""For transformers alone: a core for the first token that adds inputs with a row for each head to the scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class FirstTokenAdded(nn.Module):
    """Attention of the first token over all tokens, of a core that computes its probabilities itself."""

    def __init__(
        self,
        old: Any,
        projections: list[str | None],
        head_size: int,
        scaling: float,
        inputs: list[str],
        added: list[str],
        dropout: str,
    ) -> None:
        super().__init__()
        for name, child in old.named_children():
            self.add_module(name, child)
        self.projections, self.head_size, self.scaling = projections, head_size, scaling
        self.inputs, self.added, self.dropout_name = inputs, added, dropout
        self.full: Tensor | None = None

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """(batch, 1, hidden) -> (batch, 1, heads * head size or hidden), and the probabilities."""
        full, self.full = self.full, None
        assert full is not None, "KeepFirst runs before"
        query, key, value, out = self.projections

        def heads(name: str | None, states: Tensor) -> Tensor:
            projected: Tensor = self.get_submodule(str(name))(states)
            return projected.view(*states.shape[:2], -1, self.head_size).transpose(1, 2)

        given = dict(zip(self.inputs[1:], args, strict=False)) | kwargs
        scores = heads(query, hidden_states) @ heads(key, full).transpose(2, 3) * self.scaling
        mask = given.get("attention_mask")
        if mask is not None and mask.dtype == torch.bool:
            scores, mask = scores.masked_fill(~mask[:, :, :1], torch.finfo(scores.dtype).min), None
        for one in (mask, *(given.get(name) for name in self.added)):
            if one is not None:
                scores = scores + (one[:, :, :1] if one.dim() == 4 else one)
        weights: Tensor = self.get_submodule(self.dropout_name)(scores.softmax(-1))
        context = (weights @ heads(value, full)).transpose(1, 2).flatten(2)
        return (self.get_submodule(out)(context) if out else context), weights

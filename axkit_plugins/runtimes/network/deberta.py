"""What DeBERTa has beside BERT's blocks: relative positions with keys and queries of their own, a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from axkit import NotApplicable
from axkit_plugins.runtimes.network.forms import ACTIVATIONS
from axkit_plugins.runtimes.network.matrix import Array
from axkit_plugins.runtimes.network.modules import array_of, convolution_in, norm_of, part_of, stored
from axkit_plugins.runtimes.network.network import Convolution, Relative

_MOST = 4096  # tokens between two; farther ones fall into the last bucket or are out of the table


class _Core(Protocol):
    """An attention core with relative positions; the projections of its own are there where it shares none."""

    pos_att_type: Sequence[str]
    pos_ebd_size: int
    position_buckets: int
    max_relative_positions: int
    share_att_key: bool
    key_proj: nn.Module
    query_proj: nn.Module
    pos_key_proj: nn.Module
    pos_query_proj: nn.Module


class _Encoder(Protocol):
    """What holds the table of relative positions."""

    def get_rel_embedding(self) -> Tensor: ...


class _Beside(Protocol):
    """The convolution, its norm behind it."""

    conv: nn.Conv1d
    conv_act: str
    LayerNorm: nn.Module


def scaling_of(core: nn.Module, size: int) -> float:
    """Of queries: each part that is added to the scores makes it less."""
    parts = getattr(core, "pos_att_type", ())
    return float((size * (1 + ("c2p" in parts) + ("p2c" in parts))) ** -0.5)


def relative_of(base: nn.Module, core: nn.Module, heads: int, scaling: float) -> Relative | None:
    """The relative positions of one attention core, multiplied out; None where it has none."""
    if not getattr(core, "relative_attention", False):
        return None
    known = cast(_Core, core)
    span = int(known.pos_ebd_size)
    with torch.no_grad():
        table = array_of(cast(_Encoder, base.encoder).get_rel_embedding()[: 2 * span])
    shared = known.share_att_key
    keys, queries = None, None
    if "c2p" in known.pos_att_type:
        keys = _by_head(known.key_proj if shared else known.pos_key_proj, table, heads)
    if "p2c" in known.pos_att_type:
        queries = _by_head(known.query_proj if shared else known.pos_query_proj, table, heads) * np.float32(scaling)
    return Relative(keys, queries, _index(known, span))


def _by_head(module: nn.Module, table: Array, heads: int) -> Array:
    """(positions, hidden) -> (heads, positions, head size)."""
    projected = table @ stored(module, "a projection of relative positions").expanded().T
    bias = getattr(module, "bias", None)
    projected = projected if bias is None else projected + array_of(bias)
    return np.ascontiguousarray(projected.reshape(len(table), heads, -1).transpose(1, 0, 2))


def _index(core: _Core, span: int) -> Array:
    """Row of the table by how far a key is behind its query."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    ahead = torch.arange(_MOST, -_MOST - 1, -1)  # the query's place less the key's
    if core.position_buckets > 0 and core.max_relative_positions > 0:
        ahead = make_log_bucket_position(ahead, core.position_buckets, core.max_relative_positions).long()
    return (ahead + span).clamp(0, 2 * span - 1).numpy()


def convolution_of(base: nn.Module) -> Convolution | None:
    """The convolution beside the first layer; None where there is none.

    Raises:
        NotApplicable: the model computes its last layer several times.
    """
    if getattr(base, "z_steps", 0) > 1:
        raise NotApplicable("it computes its last layer several times (z_steps), of which no graph is built")
    module = part_of(base, "encoder.conv")
    if module is None:
        return None
    found = cast(_Beside, module)
    norm = norm_of(found.LayerNorm)
    assert norm is not None
    return Convolution(*convolution_in(found.conv), found.conv.groups, ACTIVATIONS[found.conv_act], norm)

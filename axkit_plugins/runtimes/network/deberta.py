"""What DeBERTa has beside BERT's blocks: relative positions with keys and queries of their own, a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from axkit import NotApplicable
from axkit_plugins.runtimes.network.matrix import Array
from axkit_plugins.runtimes.network.modules import array_of, norm_of, stored
from axkit_plugins.runtimes.network.network import Convolution, Relative

_MOST = 4096  # tokens between two; farther ones fall into the last bucket or are out of the table


def scaling_of(core: Any, size: int) -> float:
    """Of queries: each part that is added to the scores makes it less."""
    parts = getattr(core, "pos_att_type", ())
    return float((size * (1 + ("c2p" in parts) + ("p2c" in parts))) ** -0.5)


def relative_of(base: Any, core: Any, heads: int, scaling: float) -> Relative | None:
    """The relative positions of one attention core, multiplied out; None where it has none."""
    if not getattr(core, "relative_attention", False):
        return None
    span = int(core.pos_ebd_size)
    with torch.no_grad():
        table = array_of(base.encoder.get_rel_embedding()[: 2 * span])
    shared = core.share_att_key
    keys, queries = None, None
    if "c2p" in core.pos_att_type:
        keys = _by_head(core.key_proj if shared else core.pos_key_proj, table, heads)
    if "p2c" in core.pos_att_type:
        queries = _by_head(core.query_proj if shared else core.pos_query_proj, table, heads) * np.float32(scaling)
    return Relative(keys, queries, _index(core, span))


def _by_head(module: Any, table: Array, heads: int) -> Array:
    """(positions, hidden) -> (heads, positions, head size)."""
    projected = table @ stored(module, "a projection of relative positions").expanded().T
    projected = projected if module.bias is None else projected + array_of(module.bias)
    return np.ascontiguousarray(projected.reshape(len(table), heads, -1).transpose(1, 0, 2))


def _index(core: Any, span: int) -> Array:
    """Row of the table by how far a key is behind its query."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    ahead = torch.arange(_MOST, -_MOST - 1, -1)  # the query's place less the key's
    if core.position_buckets > 0 and core.max_relative_positions > 0:
        ahead = make_log_bucket_position(ahead, core.position_buckets, core.max_relative_positions).long()
    return (ahead + span).clamp(0, 2 * span - 1).numpy()


def convolution_of(base: Any) -> Convolution | None:
    """The convolution beside the first layer; None where there is none.

    Raises:
        NotApplicable: the model computes its last layer several times.
    """
    if getattr(base, "z_steps", 0) > 1:
        raise NotApplicable("it computes its last layer several times (z_steps), of which no graph is built")
    found = getattr(getattr(base, "encoder", None), "conv", None)
    if found is None:
        return None
    norm = norm_of(found.LayerNorm)
    assert norm is not None
    return Convolution(array_of(found.conv.weight), array_of(found.conv.bias), found.conv.groups, found.conv_act, norm)

"""A whole model in per-vector scaled 4 bits: collect inputs, quantize, measure what it did to each layer's output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from axkit.kit import (
    embedding_at,
    embedding_names,
    linear_at,
    linear_names,
    mean_squares,
    replace_module,
    run_rows,
    stored_bits,
    watched_inputs,
    weight_bytes,
    weight_matrix,
)
from axkit_plugins.quantize.int4_vsq.modules import VsqEmbedding, VsqLinear
from axkit_plugins.quantize.int4_vsq.numbers import Quantized, per_channel, quantize

if TYPE_CHECKING:
    from axkit import Subject, Tools
    from axkit_plugins.quantize.int4_vsq.settings import Int4VsqConfig

_MEASURED_ROWS, _BATCH = 64, 16
Table = list[dict[str, str | float]]


def quantize_model(
    subject: Subject, config: Int4VsqConfig, tools: Tools
) -> tuple[dict[str, list[str]], dict[str, float], Table]:
    """Replace linear layers and embeddings in place; returns the state, the facts, and the layers' output errors."""
    model: nn.Module = subject.module.eval()
    names = linear_names(subject, config.skip)
    embeddings = embedding_names(subject) if config.embeddings else []
    before = weight_bytes(model)
    squares = mean_squares(model, names, tools.train, config.rows, _BATCH)
    made = {}
    for name in tools.progress.track(names + embeddings, "per-vector scales"):
        module = model.get_submodule(name)
        weight = module.weight if isinstance(module, nn.Embedding) else weight_matrix(module).contiguous()
        made[name] = quantize(weight, config.vector, config.scale_bits, squares.get(name))
    facts, table = _output_errors(model, names, made, config, tools)
    bits = dict.fromkeys(names + embeddings, 0)
    for name, packed in put_empty(model, config, names, embeddings).items():
        packed.fill(made[name])
        bits[name] = stored_bits(packed)

    def effective(some: Sequence[str]) -> float:
        return sum(bits[name] for name in some) / max(1, sum(made[name].codes.numel() for name in some))

    facts |= {
        "weights_before_bytes": float(before),
        "weights_after_bytes": float(weight_bytes(model)),
        "effective_bits_per_weight": effective(names + embeddings),
        "effective_bits_per_linear_weight": effective(names),
        "linear_layers": float(len(names)),
        "embeddings": float(len(embeddings)),
    }
    return {"linear": names, "embedding": embeddings}, facts, table


def put_empty(
    model: nn.Module, config: Int4VsqConfig, names: Sequence[str], embeddings: Sequence[str]
) -> dict[str, VsqLinear | VsqEmbedding]:
    """Put empty 4-bit modules in the place of linear layers and embeddings; biases stay. Returns them by name."""
    made: dict[str, VsqLinear | VsqEmbedding] = {}
    sizes = (config.vector, config.scale_bits)
    for name in names:
        linear = linear_at(model, name)
        (rows, columns), device = weight_matrix(linear).shape, linear.weight.device
        new = VsqLinear(
            columns, rows, linear.bias is not None, *sizes, config.activation_bits, config.keep_float, device
        )
        if linear.bias is not None:
            new.bias = linear.bias.detach().clone()
        made[name] = new
    for name in embeddings:
        old = embedding_at(model, name)
        made[name] = VsqEmbedding(old.num_embeddings, old.embedding_dim, old.padding_idx, *sizes, old.weight.device)
    for name, module in made.items():
        replace_module(model, name, module)
    return made


def _output_errors(
    model: nn.Module, names: Sequence[str], made: Mapping[str, Quantized], config: Int4VsqConfig, tools: Tools
) -> tuple[dict[str, float], Table]:
    """Mean squared error of each layer's output on search inputs, against plain 4 bits with a scale per channel."""
    wrong: dict[str, tuple[Tensor, Tensor]] = {}
    for name in names:
        weight = weight_matrix(model.get_submodule(name)).detach()
        wrong[name] = (made[name].float(config.vector) - weight, per_channel(weight) - weight)
    sums: dict[str, Tensor] = {name: torch.zeros(3, dtype=torch.float64) for name in names}
    count = dict.fromkeys(names, 0)

    def look(name: str, linear: nn.Module, inputs: Tensor) -> None:
        ours, plain = (float((inputs @ error.T).square().sum()) for error in wrong[name])
        outputs = inputs @ weight_matrix(linear).T
        sums[name] += torch.tensor([ours, plain, float(outputs.square().sum())], dtype=torch.float64)
        count[name] += outputs.numel()

    with watched_inputs(model, names, look):
        for _ in run_rows(model, tools.search, _MEASURED_ROWS, _BATCH):
            pass
    ratios, noise, plain_noise, table = [], [], [], []
    for name, (ours, plain, signal) in ((n, s.tolist()) for n, s in sums.items()):
        ratios.append(ours / plain if plain else 0.0)
        noise.append(100.0 * ours / signal if signal else 0.0)
        plain_noise.append(100.0 * plain / signal if signal else 0.0)
        each = max(1, count[name])
        row = {"layer": name, "mse_per_vector": ours / each, "mse_per_channel": plain / each, "mse_ratio": ratios[-1]}
        table.append(row)
    n = max(1, len(names))
    facts = {
        "output_noise_percent": sum(noise) / n,
        "output_noise_per_channel_percent": sum(plain_noise) / n,
        "output_mse_ratio_mean": sum(ratios) / n,
        "output_mse_ratio_worst": max(ratios, default=0.0),
    }
    return facts, table

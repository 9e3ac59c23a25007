"""A whole model by GPTQ: optimum calibrates a copy, and its codes and scales are kept in modules of our own.

optimum's own saved form needs gptqmodel wherever it is loaded, and transformers cannot load it back for encoders
(docs/passes.md); these modules need nothing.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from axkit import NotApplicable
from axkit.kit import (
    linear_names,
    pack_nibbles,
    replace_module,
    stored_bits,
    unpack_nibbles,
    weight_bytes,
    weight_matrix,
)

if TYPE_CHECKING:
    from axkit import Subject, Tools
    from axkit_plugins.quantize.gptq.settings import GptqConfig

Codes = tuple[Tensor, Tensor]  # (rows, columns) int8 in -8..7; (rows, groups) float32 scales


class GroupLinear(nn.Module):
    """y = x W^T + b with 4-bit W (out, in) and a float scale for every group of inputs; expanded at each call.

    Args:
        in_features: inputs.
        out_features: outputs.
        bias: whether there is one; it stays float32.
        group: inputs that share a scale.
        device: of the empty buffers.
    """

    weight: Tensor  # (out, ceil(in / 2)) uint8, two codes in a byte
    scale: Tensor  # (out, groups) float32
    bias: Tensor | None

    def __init__(self, in_features: int, out_features: int, bias: bool, group: int, device: Any = None) -> None:
        super().__init__()
        self.in_features, self.out_features, self.group = in_features, out_features, group
        packed = torch.zeros(out_features, -(-in_features // 2), dtype=torch.uint8, device=device)
        self.register_buffer("weight", packed)
        self.register_buffer("scale", torch.ones(out_features, -(-in_features // group), device=device))
        self.register_buffer("bias", torch.zeros(out_features, device=device) if bias else None)

    def fill(self, codes: Codes) -> None:
        """Take the numbers of a calibrated layer."""
        self.weight, self.scale = pack_nibbles(codes[0]), codes[1].contiguous()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        weight = expand((unpack_nibbles(self.weight, self.in_features), self.scale), self.group)
        return nn.functional.linear(x, weight.to(x.dtype), self.bias)


def expand(codes: Codes, group: int) -> Tensor:
    """Codes and scales -> (rows, columns) float32."""
    values, scale = codes
    return values.to(scale.dtype) * scale.repeat_interleave(group, dim=1)[:, : values.shape[1]]


def quantize_model(subject: Subject, config: GptqConfig, tools: Tools) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Replace linear layers in place; returns the state and the facts."""
    names = linear_names(subject, ["head", *config.skip])
    inside = f"{subject.module.base_model_prefix}.{subject.family.layers}."
    names = [name for name in names if name.startswith(inside)]
    before = weight_bytes(subject.module)
    made = calibrate(subject, names, config, tools) if names else {}
    restore(subject, config, {"linear": names})
    bits = values = 0
    for name, codes in made.items():
        module: Any = subject.module.get_submodule(name)
        module.fill(codes)
        bits, values = bits + stored_bits(module), values + codes[0].numel()
    facts = {
        "weights_before_bytes": float(before),
        "weights_after_bytes": float(weight_bytes(subject.module)),
        "effective_bits_per_linear_weight": bits / values if values else 0.0,
        "linear_layers": float(len(names)),
        "rows": float(min(config.rows, len(tools.train))),
    }
    return {"linear": names}, facts


def restore(subject: Subject, config: GptqConfig, state: Mapping[str, Any]) -> None:
    """Put empty 4-bit modules at the names of the state; biases stay."""
    for name in state["linear"]:
        linear: Any = subject.module.get_submodule(name)
        (rows, columns), device = weight_matrix(linear).shape, linear.weight.device
        new = GroupLinear(columns, rows, linear.bias is not None, config.group, device)
        if linear.bias is not None:
            new.bias = linear.bias.detach().clone()
        replace_module(subject.module, name, new)


class _Aside(nn.Module):
    """Hides a linear layer from optimum, which would quantize every one that it finds."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._held = [module]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the hidden module."""
        return self._held[0](*args, **kwargs)


def calibrate(subject: Subject, names: Sequence[str], config: GptqConfig, tools: Tools) -> dict[str, Codes]:
    """optimum's GPTQ on a copy of the model: name -> codes and scales."""
    from transformers.pytorch_utils import Conv1D

    work = subject.copy()
    model = work.module.eval().requires_grad_(False)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear | Conv1D) and name not in names and "." in name:
            replace_module(model, name, _Aside(module))
    for block in model.base_model.get_submodule(work.family.layers):
        if next(block.parameters(), None) is None:  # a removed layer; optimum asks every one where it is
            block.register_parameter("nothing", nn.Parameter(torch.zeros(0), requires_grad=False))
    if not hasattr(model.config, "use_cache"):  # optimum reads it of every config
        model.config.use_cache = False
    rows = range(min(config.rows, len(tools.train)))
    data = [dict(tools.train.batch([row]).inputs) for row in rows]
    tools.progress.say("   GPTQ: calibrating layer by layer")
    blocks = f"{model.base_model_prefix}.{work.family.layers}"
    quantizers = _run_optimum(model, blocks, data, config)
    return {
        name: _codes(name, weight_matrix(model.get_submodule(name)), quantizers[name], config.group) for name in names
    }


def _run_optimum(model: Any, blocks: str, data: list[dict[str, Tensor]], config: GptqConfig) -> dict[str, Any]:
    """Name -> (quantizer, scale, zero, group of each input); the model's weights are rounded in place."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from optimum.gptq import GPTQQuantizer

        logging.getLogger("optimum.gptq.quantizer").setLevel(logging.ERROR)
        found: dict[str, Any] = {}

        class Calibrating(GPTQQuantizer):  # type: ignore[misc]  # optimum is untyped
            """Stops where optimum would pack the weights into gptqmodel's kernels."""

            def pack_model(self, model: Any, quantizers: dict[str, Any]) -> None:
                """Keep the numbers instead."""
                found.update(quantizers)

            def post_init_model(self, model: Any) -> Any:
                """Nothing was packed."""
                return model

        Calibrating(
            bits=4,
            dataset=data,
            group_size=config.group,
            damp_percent=config.damping,
            desc_act=False,
            act_group_aware=False,  # groups are neighbours then, and need no index
            sym=True,
            model_seqlen=max(int(inputs["input_ids"].shape[1]) for inputs in data),
            block_name_to_quantize=blocks,
            module_name_preceding_first_block=[],
            pad_token_id=0,
            batch_size=1,
            backend="torch",
        ).quantize_model(model, None)
    return found


def _codes(name: str, rounded: Tensor, quantizer: Any, group: int) -> Codes:
    """The integers behind rounded weights, which are multiples of their group's scale."""
    # optimum leaves what it computed on a GPU there
    rounded, scale = rounded.detach().cpu(), quantizer[1].detach().float().cpu()
    each = scale.repeat_interleave(group, dim=1)[:, : rounded.shape[1]]
    codes = (rounded.detach().float() / each).round().clamp(-8, 7)
    if not torch.allclose(codes * each, rounded.float(), atol=1e-5 * float(rounded.abs().max()) + 1e-8):
        raise NotApplicable(f"optimum gave '{name}' weights that are no 4-bit multiples of its scales; use int4_vsq")
    return codes.to(torch.int8), scale

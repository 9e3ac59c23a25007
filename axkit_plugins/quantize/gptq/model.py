"""A whole model by GPTQ: optimum calibrates a copy, and its codes and scales are kept in modules of our own.

optimum's own saved form needs gptqmodel wherever it is loaded, and transformers cannot load it back for encoders
(docs/passes.md); these modules need nothing.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from axkit import NotApplicable
from axkit.kit import (
    linear_names,
    replace_module,
    stored_bits,
    weight_bytes,
    weight_matrix,
)
from axkit_plugins.quantize.gptq.modules import Codes, put_empty

if TYPE_CHECKING:
    from axkit import Subject, Tools
    from axkit_plugins.quantize.gptq.settings import GptqConfig

Found = dict[str, tuple[object, Tensor, Tensor, Tensor]]  # name -> quantizer, scale, zero, group of each input


def quantize_model(subject: Subject, config: GptqConfig, tools: Tools) -> tuple[list[str], dict[str, float]]:
    """Replace linear layers in place; returns their names and the facts."""
    names = linear_names(subject, ["head", *config.skip])
    inside = f"{subject.module.base_model_prefix}.{subject.family.layers}."
    names = [name for name in names if name.startswith(inside)]
    before = weight_bytes(subject.module)
    made = calibrate(subject, names, config, tools) if names else {}
    bits = values = 0
    for name, layer in put_empty(subject.module, names, config.group).items():
        layer.fill(made[name])
        bits, values = bits + stored_bits(layer), values + made[name][0].numel()
    facts = {
        "weights_before_bytes": float(before),
        "weights_after_bytes": float(weight_bytes(subject.module)),
        "effective_bits_per_linear_weight": bits / values if values else 0.0,
        "linear_layers": float(len(names)),
        "rows": float(min(config.rows, len(tools.train))),
    }
    return names, facts


class _Aside(nn.Module):
    """Hides a linear layer from optimum, which would quantize every one that it finds."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._held = [module]

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        """As the hidden module."""
        y: Tensor = self._held[0](*args, **kwargs)
        return y


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
        name: _codes(name, weight_matrix(model.get_submodule(name)), quantizers[name][1], config.group)
        for name in names
    }


def _run_optimum(model: nn.Module, blocks: str, data: list[dict[str, Tensor]], config: GptqConfig) -> Found:
    """What optimum found; the model's weights are rounded in place."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from optimum.gptq import GPTQQuantizer

        logging.getLogger("optimum.gptq.quantizer").setLevel(logging.ERROR)
        found: Found = {}

        class Calibrating(GPTQQuantizer):  # type: ignore[misc]  # optimum is untyped
            """Stops where optimum would pack the weights into gptqmodel's kernels."""

            def pack_model(self, model: nn.Module, quantizers: Found) -> None:
                """Keep the numbers instead."""
                found.update(quantizers)

            def post_init_model(self, model: nn.Module) -> nn.Module:
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


def _codes(name: str, rounded: Tensor, scale: Tensor, group: int) -> Codes:
    """The integers behind rounded weights, which are multiples of their group's scale."""
    # optimum leaves what it computed on a GPU there
    rounded, scale = rounded.detach().cpu(), scale.detach().float().cpu()
    each = scale.repeat_interleave(group, dim=1)[:, : rounded.shape[1]]
    codes = (rounded.detach().float() / each).round().clamp(-8, 7)
    if not torch.allclose(codes * each, rounded.float(), atol=1e-5 * float(rounded.abs().max()) + 1e-8):
        raise NotApplicable(f"optimum gave '{name}' weights that are no 4-bit multiples of its scales; use int4_vsq")
    return codes.to(torch.int8), scale

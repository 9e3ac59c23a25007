"""Put bitsandbytes' modules into a model, so that transformers saves and loads it as one of its quantized models."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from axkit import NotApplicable
from axkit.kit import linear_at, linear_names, replace_module, stored_bits, weight_bytes, weight_matrix

if TYPE_CHECKING:
    import bitsandbytes
    from transformers import BitsAndBytesConfig, PreTrainedModel

    from axkit import Subject

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of a missing hub kernel, and at every int8 call
_BLOCK = 64  # weights that share a scale
_ROUNDS = 1000  # some tens are enough


def to_4bit(subject: Subject, quant_type: str, skip: Collection[str]) -> dict[str, float]:
    """Replace linear layers by ``Linear4bit`` in place; returns the facts.

    Raises:
        NotApplicable: scales that bitsandbytes would save otherwise than it computes with them.
    """
    import bitsandbytes
    from transformers import BitsAndBytesConfig

    model, wanted = subject.module.eval(), linear_names(subject, skip)
    names = [name for name in wanted if _fits(model.get_submodule(name))]
    before = weight_bytes(model)
    for name in names:
        linear = linear_at(model, name)
        rows, columns = weight_matrix(linear).shape
        new = bitsandbytes.nn.Linear4bit(columns, rows, linear.bias is not None, quant_type=quant_type, device="meta")
        packed, state = _quantize(name, weight_matrix(linear).detach().float().contiguous(), quant_type)
        new.weight = bitsandbytes.nn.Params4bit(
            packed, requires_grad=False, quant_state=state, quant_type=quant_type, module=new, bnb_quantized=True
        )
        new.quant_state = state
        _finish(model, name, linear, new)
    told = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quant_type,
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=_skipped(model, names),
    )
    _tell_transformers(model, told, names)
    return {**_facts(model, names, before), "linear_layers_that_do_not_fit": float(len(wanted) - len(names))}


def to_8bit(subject: Subject, threshold: float, skip: Collection[str]) -> dict[str, float]:
    """Replace linear layers by ``Linear8bitLt`` in place; returns the facts."""
    import bitsandbytes
    from transformers import BitsAndBytesConfig

    model, names = subject.module.eval(), linear_names(subject, skip)
    before = weight_bytes(model)
    for name in names:
        linear = linear_at(model, name)
        rows, columns = weight_matrix(linear).shape
        new = bitsandbytes.nn.Linear8bitLt(
            columns,
            rows,
            linear.bias is not None,
            has_fp16_weights=False,
            threshold=threshold,
            device="meta",
        )
        new.weight = bitsandbytes.nn.Int8Params(
            weight_matrix(linear).detach().clone(memory_format=torch.contiguous_format),
            requires_grad=False,
            has_fp16_weights=False,
        )
        _finish(model, name, linear, new)
    told = BitsAndBytesConfig(
        load_in_8bit=True, llm_int8_threshold=threshold, llm_int8_skip_modules=_skipped(model, names)
    )
    _tell_transformers(model, told, names)
    return _facts(model, names, before)


def _fits(linear: nn.Module) -> bool:
    """What the AVX512-BF16 kernel takes; kept to everywhere, so that the model runs on every processor."""
    rows, columns = weight_matrix(linear).shape
    return bool(rows % 32 == 0 and columns % 64 == 0)


def _finish(model: nn.Module, name: str, linear: nn.Linear, new: bitsandbytes.nn.Linear4bit) -> None:
    new.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone(), requires_grad=False)
    new.source_cls = nn.Linear  # transformers asks for it
    replace_module(model, name, new.to(linear.weight.device))


def _quantize(
    name: str, weight: torch.Tensor, quant_type: str
) -> tuple[torch.Tensor, bitsandbytes.functional.QuantState]:
    """bitsandbytes' 4-bit codes and state of a weight, with scales that its CPU kernel leaves alone.

    For that kernel bitsandbytes rounds the scales to bfloat16 at the first call, and quantizes them anew when they are
    saved: a model saved after a call would reload to other logits. So the scales go round until they stay, and the
    codes are chosen for those. (Without double quantization 0.50 saves the scales in the kernel's order, which reloads
    to nonsense: so that is not offered.)

    Raises:
        NotApplicable: the scales do not come to rest.
    """
    from bitsandbytes.functional import dequantize_blockwise, quantize_4bit, quantize_blockwise

    packed, state = quantize_4bit(weight, blocksize=_BLOCK, compress_statistics=True, quant_type=quant_type)
    scales = dequantize_blockwise(state.absmax, state.state2) + state.offset
    for _ in range(_ROUNDS):
        before = scales.bfloat16().float()
        state.offset = before.mean()
        state.absmax, state.state2 = quantize_blockwise(before - state.offset, blocksize=256)
        scales = dequantize_blockwise(state.absmax, state.state2) + state.offset
        if torch.equal(scales.bfloat16().float(), before):
            return _codes(weight, before, state.code, packed.shape), state
    raise NotApplicable(f"bitsandbytes would not save '{name}' as it computes it; use int4_vsq, or skip that role")


def _codes(weight: torch.Tensor, scales: torch.Tensor, table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The nearest of the table's 16 values for each weight / scale, two in a byte, the first in the high half."""
    values, place = table.sort()
    ratio = (weight.reshape(-1, _BLOCK) / scales[:, None]).nan_to_num().flatten()
    nearest = place[torch.bucketize(ratio, (values[1:] + values[:-1]) / 2)].to(torch.uint8)
    return ((nearest[::2] << 4) | nearest[1::2]).view(shape)


def _skipped(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Patterns for transformers: every linear layer that stays as it is, by its full name."""
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.quantizers_utils import should_convert_module

    converted = set(names)
    left = [n for n, m in model.named_modules() if type(m) in (nn.Linear, Conv1D) and n not in converted]
    if all(should_convert_module(name, left) for name in names):
        return left
    return [f"^{re.escape(name)}$" for name in left]  # "classifier" alone would match "pre_classifier" too


def _tell_transformers(model: PreTrainedModel, told: BitsAndBytesConfig, names: Sequence[str]) -> None:
    from transformers.quantizers.auto import AutoHfQuantizer

    if not names:
        return
    model.requires_grad_(False)  # its CPU kernel fails where inputs carry gradients
    model.config.quantization_config = told
    model.hf_quantizer = AutoHfQuantizer.from_config(told, pre_quantized=False)
    model.quantization_method = told.quantization_method()
    model.is_loaded_in_4bit, model.is_loaded_in_8bit = told.load_in_4bit, told.load_in_8bit


def _facts(model: nn.Module, names: Sequence[str], before: int) -> dict[str, float]:
    linears = [linear_at(model, name) for name in names]
    values = sum(linear.in_features * linear.out_features for linear in linears)
    return {
        "weights_before_bytes": float(before),
        "weights_after_bytes": float(weight_bytes(model)),
        "effective_bits_per_linear_weight": sum(map(stored_bits, linears)) / values if values else 0.0,
        "linear_layers": float(len(names)),
    }

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, pipeline

from axkit.contract.passes import Workload
from axkit.ground.cpu import expects_bfloat16, has_bfloat16
from axkit.ground.errors import NotApplicable
from axkit.ground.target import Target
from axkit.runtimes.folder import save
from axkit.testing import lend, logits_of, reload, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.half import Bf16, Fp16


def converted(family, tmp_path, **settings):
    subject = tiny_subject(family)
    return subject, Bf16().apply(subject, Bf16.Config(**settings), lend(tmp_path))


def test_half_the_bytes_and_close_logits(unlike_family, tmp_path):
    split = tiny_split()
    dense = logits_of(tiny_subject(unlike_family).module, split)
    subject, result = converted(unlike_family, tmp_path)
    assert result.facts["weights_after_bytes"] == result.facts["weights_before_bytes"] / 2
    gap = (logits_of(subject.module, split).float() - dense).abs().max()
    assert 0 < gap < 0.1 * dense.abs().max()


def test_stock_classes_reload_it_in_bfloat16(unlike_family, tmp_path):
    subject, _ = converted(unlike_family, tmp_path)
    save(subject, tiny_tokenizer(), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == unlike_family.model_type
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    split = tiny_split()
    assert stock.dtype == torch.bfloat16
    assert torch.equal(logits_of(stock, split), logits_of(subject.module, split))
    score = pipeline("text-classification", model=stock, tokenizer=tiny_tokenizer())("the film was good")[0]["score"]
    assert 0 < score < 1


def test_a_converted_model_can_still_be_carved(unlike_family, tmp_path):
    subject, _ = converted(unlike_family, tmp_path)
    n = subject.structure
    subject.carve(n.without_heads(0, [1]).without_ffn(1).without_heads(1, range(4)).change(2, hard_k=3))
    split = tiny_split()
    again = reload(subject, tiny_tokenizer())
    assert again.module.dtype == torch.bfloat16
    assert torch.equal(logits_of(again.module, split), logits_of(subject.module, split))


@pytest.mark.parametrize("go_on", [True, False])
def test_a_processor_without_bfloat16_is_told_of(plain_family, tmp_path, monkeypatch, go_on):
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: False)
    subject, result = converted(plain_family, tmp_path, even_if_slower=go_on)
    assert "no bfloat16 instructions" in result.note
    assert (subject.module.dtype == torch.bfloat16) == go_on


def test_the_plan_says_where_it_would_be_slower(tmp_path, monkeypatch):
    flags = tmp_path / "cpuinfo"
    for name in ("AXKIT_BFLOAT16", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("axkit.ground.processor._CPUINFO", flags)
    work = Workload({}, 60, False, 2, 32, 24)
    assert expects_bfloat16() is None
    assert Bf16().foresee_work(Bf16.Config(), work) == ""
    flags.write_text("model name : x\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n")
    assert expects_bfloat16() is True
    assert Bf16().foresee_work(Bf16.Config(), work) == ""
    flags.write_text("model name : x\nflags\t\t: fpu avx2\n")
    assert "slower than float32" in Bf16().foresee_work(Bf16.Config(), work)
    assert "change nothing" in Bf16().foresee_work(Bf16.Config(even_if_slower=False), work)

    there = dataclasses.replace(work, target=Target(device="cuda"))
    assert Bf16().foresee_work(Bf16.Config(), there) == Fp16().foresee_work(Fp16.Config(), there) == ""
    assert "slower than float32" in Fp16().foresee_work(Fp16.Config(), work)


def test_float16_halves_the_bytes_and_reloads(unlike_family, tmp_path):
    split = tiny_split()
    dense = logits_of(tiny_subject(unlike_family).module, split)
    subject = tiny_subject(unlike_family)
    result = Fp16().apply(subject, Fp16.Config(), lend(tmp_path))
    assert result.facts["weights_after_bytes"] == result.facts["weights_before_bytes"] / 2
    assert "Few processors" in result.note
    ours = logits_of(subject.module, split)
    assert 0 < (ours.float() - dense).abs().max() < 0.02 * dense.abs().max(), "three more bits than bfloat16"
    again = reload(subject, tiny_tokenizer())
    assert again.module.dtype == torch.float16
    assert torch.equal(logits_of(again.module, split), ours)
    assert np.isfinite(tiny_split().evaluate(again.module).losses).all()


def test_a_weight_that_float16_cannot_hold_is_refused_and_nothing_is_changed(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    with torch.no_grad():
        subject.module.classifier.weight[0, 0] = 1e5
    with pytest.raises(NotApplicable, match=r"classifier.weight' has values beyond 65504.* use bf16"):
        Fp16().apply(subject, Fp16.Config(), lend(tmp_path))
    assert subject.module.dtype == torch.float32
    unchanged = Fp16().apply(subject, Fp16.Config(even_if_slower=False), lend(tmp_path))
    assert "nothing was changed" in unchanged.note


def test_what_the_plan_expects_is_what_there_is():
    assert expects_bfloat16() in (None, has_bfloat16())


def test_the_environment_can_turn_bfloat16_off(monkeypatch):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("axkit.ground.cpu.onednn_takes_bfloat16", lambda: True)
    monkeypatch.setenv("AXKIT_BFLOAT16", "1")
    assert has_bfloat16()
    monkeypatch.setattr("axkit.ground.cpu.onednn_takes_bfloat16", lambda: False)
    assert not has_bfloat16()
    monkeypatch.setattr("axkit.ground.cpu.onednn_takes_bfloat16", lambda: True)
    monkeypatch.setenv("AXKIT_BFLOAT16", "0")
    assert not has_bfloat16()
    assert expects_bfloat16() is False

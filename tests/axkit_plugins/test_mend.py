from __future__ import annotations

import pytest
import torch

from axkit.testing import check_pass, lend, logits_of, tiny_subject
from axkit_plugins.mend import Mend


def test_it_keeps_the_contract(family):
    check_pass(Mend, family, name="mend")


def test_a_model_that_somebody_cut_comes_nearer_to_the_dense_one(family, tmp_path):
    dense = tiny_subject(family)
    subject = dense.copy()
    structure = subject.structure
    for layer in range(len(structure.layers)):
        structure = structure.without_heads(layer, [1]).without_neurons(layer, range(8))
    subject.carve(structure)
    tools = lend(tmp_path, teacher=dense.module, family=family)
    result = Mend().apply(subject, Mend.Config(), tools)
    assert torch.isfinite(logits_of(subject.module, tools.train)).all()
    assert result.facts["missed_after_ratio"] < result.facts["missed_before_ratio"]
    assert subject.structure == structure


def test_an_uncut_model_stays_as_it_is(plain_family, tmp_path):
    dense = tiny_subject(plain_family)
    subject = dense.copy()
    result = Mend().apply(subject, Mend.Config(), lend(tmp_path, teacher=dense.module))
    assert result.note.startswith("Nothing was cut")
    for mine, its in zip(subject.module.parameters(), dense.module.parameters(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("block", ["without_attention", "without_ffn"])
def test_what_stays_makes_up_for_a_whole_block(plain_family, tmp_path, block):
    dense = tiny_subject(plain_family)
    subject = dense.copy()
    subject.carve(getattr(subject.structure, block)(1))
    result = Mend().apply(subject, Mend.Config(), lend(tmp_path, teacher=dense.module))
    assert result.facts["missed_after_ratio"] < result.facts["missed_before_ratio"]

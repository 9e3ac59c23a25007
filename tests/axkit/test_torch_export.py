"""``torch.export`` of a float result is right at lengths that it was not exported with, fewer than K among them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.testing import tiny_subject

ANY = torch.export.Dim.DYNAMIC
SHAPES = ((1, 1), (2, 3), (2, 5), (3, 6), (2, 8), (4, 40), (1, 30))  # K is 5, 7, and a share of the length


def cut(family):
    """Uneven, with hard attention in each layer, and the last for one token alone where that can be."""
    subject = tiny_subject(family)
    structure = subject.structure.without_heads(0, [2]).without_neurons(0, range(4)).change(0, hard_k=5)
    if not family.shared_layers:
        structure = structure.without_ffn(1).change(1, hard_k=0.3).without_heads(2, [0]).change(2, hard_k=7)
        structure = replace(structure, first_token_only=subject.reads_first_token_only)
    subject.carve(structure)
    return subject


def tokens(batch, length, seed=0):
    """Ids, and a mask that leaves some rows shorter."""
    torch.manual_seed(seed)
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1:, length - length // 3 :] = 0
    return {"input_ids": torch.randint(4, 24, (batch, length)) * mask, "attention_mask": mask}


@pytest.mark.parametrize("name", ["bert", "deberta-v2", "gpt2", "modernbert", "vit"])  # each attends in its own way
def test_of_families_unlike(name):
    family = family_of(name)
    subject = cut(family)
    if family.inputs == "pixels":
        image = torch.randn(7, 3, 12, 12)
        sample, others = {"pixel_values": image[:3]}, [{"pixel_values": image[:n]} for n in (1, 2, 7)]
    else:
        sample, others = tokens(3, 9), [tokens(*shape) for shape in SHAPES]
    subject.module.config.use_cache = False  # of GPT-2: a cache is no tensor
    free = {name: dict.fromkeys(range(value.dim() if value.dim() == 2 else 1), ANY) for name, value in sample.items()}
    with torch.no_grad():
        exported = torch.export.export(subject.module, (), sample, dynamic_shapes=free).module()
        for inputs in others:
            # below K the fused attention answers, recorded the one that could keep K
            torch.testing.assert_close(
                exported(**inputs).logits, subject.module(**inputs).logits, atol=1e-5, rtol=1e-5, msg=str(inputs)
            )


@pytest.mark.parametrize("k", [5, 0.3])
def test_the_branch_on_the_length_would_be_seen(k):
    """What the shapes above are for: dense attention answers otherwise at the longer ones, and not at the shorter."""
    subject, dense = tiny_subject(family_of("bert")), tiny_subject(family_of("bert"))
    subject.carve(subject.structure.change(0, hard_k=k))
    for shape, differs in (((4, 40), True), ((1, 1), False)):
        inputs = tokens(*shape)
        gap = (subject.body.answer(inputs)["logits"] - dense.body.answer(inputs)["logits"]).abs().max()
        assert (float(gap) > 1e-3) == differs

"""Removed equals masked, for every element, alone and combined, padded or not, in eval and in training mode."""

from __future__ import annotations

import itertools

import pytest
import torch
from oracle import masked_copy

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.ground.errors import NotApplicable
from axkit.testing import check_family, tiny_model, tiny_split, tiny_subject

_BERT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
NO_DROPOUT = {
    "albert": _BERT | {"classifier_dropout_prob": 0.0},
    "deberta-v2": _BERT | {"pooler_dropout": 0.0},
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "modernbert": {},
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
}


def in_double(family, **settings):
    """A subject without dropout, in float64, so that a real difference cannot hide in rounding."""
    subject = tiny_subject(family, **(NO_DROPOUT.get(family.model_type, _BERT) | settings))
    subject.module.double()
    return subject


def batch_of(family, rows):
    """One batch, pixels in float64."""
    batch = tiny_split(12, family=family).batch(rows)
    for name, values in batch.inputs.items():
        batch.inputs[name] = values.double() if values.is_floating_point() else values
    return batch


def elements(n: Structure) -> dict[str, Structure]:
    middle, last = (1, 2) if len(n.layers) > 1 else (0, 0)  # where all layers are one there is only layer 0
    return {
        "attention": n.without_attention(middle),
        "ffn": n.without_ffn(middle),
        "last attention": n.without_attention(last),
        "last ffn": n.without_ffn(last),
        "head": n.without_heads(0, [1]),
        "all heads": n.without_heads(last, range(4)),
        "group": n.without_neurons(0, range(2, 4)),
        "all neurons": n.without_neurons(0, range(24)),
        "hard": n.change(0, hard_k=4).change(last, hard_k=6),
        "hard, a share": n.change(0, hard_k=0.4),
    }


def merged(a: Structure, b: Structure) -> Structure:
    out = a
    for i, other in enumerate(b.layers):
        layer = out.layers[i]
        attention = layer.attention and other.attention
        heads = tuple(h for h in layer.heads if h in other.heads)
        out = out.change(
            i,
            heads=heads,
            neurons=tuple(x for x in layer.neurons if x in other.neurons),
            attention=attention,
            ffn=layer.ffn and other.ffn,
            hard_k=(layer.hard_k or other.hard_k) if attention and heads else None,
        )
    return out


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("first_token_only", [False, True])
def test_removed_equals_masked(any_family, training, padded, first_token_only):
    dense = in_double(any_family)
    if first_token_only and not dense.reads_first_token_only:
        pytest.skip("its head reads more, or its core cannot be cut to one token")
    singles = elements(dense.structure)
    cases = dict(singles)
    if padded and not training:  # together with each other they need not be seen in every mode
        cases |= {f"{a} + {b}": merged(singles[a], singles[b]) for a, b in itertools.combinations(singles, 2)}
    cases["all of a layer"] = dense.structure.without_attention(0).without_ffn(0)
    batch = batch_of(any_family, range(12) if padded else [0])
    assert any_family.inputs == "pixels" or batch.is_padded == padded
    for what, structure in cases.items():
        subject = dense.copy()
        if first_token_only:
            structure = Structure(structure.layers, structure.n_heads, structure.ffn_width, True)
        subject.carve(structure)
        masked = masked_copy(dense.module, any_family.model_type, structure)
        subject.module.train(training), masked.train(training)
        gap = (subject.module(**batch.inputs).logits - masked(**batch.inputs).logits).abs().max().item()
        assert gap < 1e-9, what


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("deberta-v2", {"share_att_key": True, "conv_kernel_size": 0}),  # as v3
        ("deberta-v2", {"relative_attention": False}),
        ("gpt2", {"n_inner": None}),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
        ("modernbert", {"classifier_pooling": "mean"}),
        ("modernbert", {"attention_bias": True, "mlp_bias": True, "norm_bias": True}),
        ("vit", {"qkv_bias": False}),
    ],
)
def test_removed_equals_masked_in_the_branches_of_an_architecture(name, settings):
    family = family_of(name)
    dense = in_double(family, **settings)
    batch = batch_of(family, range(12))
    for what, structure in elements(dense.structure).items():
        subject = dense.copy()
        subject.carve(structure)
        masked = masked_copy(dense.module, name, structure)
        gap = (subject.module(**batch.inputs).logits - masked(**batch.inputs).logits).abs().max().item()
        assert gap < 1e-9, what


def test_masking_does_change_the_logits(any_family):
    """The parity above could not fail if the masks did nothing."""
    dense = in_double(any_family)
    batch = batch_of(any_family, range(12))
    for what, structure in elements(dense.structure).items():
        masked = masked_copy(dense.module, any_family.model_type, structure)
        assert (masked(**batch.inputs).logits - dense.module(**batch.inputs).logits).abs().max() > 1e-4, what


def test_gradients_of_the_carved_model_equal_those_of_the_masked(family):
    dense = in_double(family)
    last = len(dense.structure.layers) - 1
    structure = dense.structure.without_heads(0, [1]).without_neurons(last, [0, 1])
    subject = dense.copy()
    subject.carve(structure)
    masked = masked_copy(dense.module, family.model_type, structure)
    batch = batch_of(family, range(8))
    for model in (subject.module, masked):
        model(**batch.inputs).logits.square().sum().backward()
    carved = subject.layers[last].ffn_in.weight.grad
    full = masked.get_parameter(
        f"{masked.base_model_prefix}.{family.layers}.{last}.{family.roles['ffn_in']}.weight"
    ).grad
    full = full.T if full.shape[0] == 32 else full  # Conv1D has (inputs, outputs)
    kept = [*range(2, 24)] + ([*range(26, 48)] if family.gated_ffn else [])
    torch.testing.assert_close(carved, full[kept])


def test_check_family_passes_and_notices_a_wrong_file(family):
    check_family(family)
    wrong = dict(family.removed.ffn)
    if family.pre_norm:  # the norm alone, but not the block
        wrong = {family.roles["ffn_norm"]: "identity"}
    else:  # drops the LayerNorm too, which a post-norm family keeps
        wrong[family.roles["ffn_norm"]] = "identity"
    removed = family.removed.model_copy(update={"ffn": wrong})
    with pytest.raises(AssertionError, match="feed-forward block"):
        check_family(family.model_copy(update={"removed": removed}))


def test_carving_in_steps_equals_carving_at_once(family):
    dense = tiny_subject(family)
    steps, once = dense.copy(), dense.copy()
    steps.carve(dense.structure.without_heads(0, [0]))
    last = len(dense.structure.layers) - 1
    steps.carve(steps.structure.without_heads(0, [2]).without_neurons(last, range(5)))
    steps.carve(steps.structure.without_neurons(last, [7]))
    once.carve(steps.structure)
    batch = tiny_split(8, family=family).batch(range(8))
    assert torch.equal(steps.module(**batch.inputs).logits, once.module(**batch.inputs).logits)


def test_a_carved_model_cannot_grow_back(family):
    subject = tiny_subject(family)
    dense = subject.structure
    subject.carve(dense.without_ffn(0))
    with pytest.raises(ValueError, match="grow back"):
        subject.carve(dense)


def test_a_core_for_one_token_is_in_the_mode_of_the_one_that_it_replaces():
    subject = tiny_subject(family_of("bert"))
    subject.carve(Structure(subject.structure.layers, 4, 24, first_token_only=True))
    inputs = tiny_split(12).batch(range(4)).inputs
    with torch.enable_grad():  # keys and values are computed, as in half precision: dropout would be seen
        assert torch.equal(subject.module(**inputs).logits, subject.module(**inputs).logits)


@pytest.mark.parametrize("grads", [False, True], ids=["folded", "computed"])
@pytest.mark.parametrize("k", [None, 2, 0.4])
@pytest.mark.parametrize("heads_first", [True, False])
def test_one_token_keeps_its_row_of_a_position_bias_that_all_layers_share(heads_first, k, grads):
    dense = tiny_subject(family_of("mpnet"))
    n, batch = dense.structure, tiny_split(12).batch(range(12))
    every = n.without_heads(1, [0]).without_heads(2, [1, 3]).without_neurons(2, range(5)).change(2, hard_k=k)
    alone = Structure(every.layers, n.n_heads, n.ffn_width, first_token_only=True)
    whole, one = dense.copy(), dense.copy()
    whole.carve(every)
    one.carve(every if heads_first else Structure(n.layers, n.n_heads, n.ffn_width, first_token_only=True))
    one.carve(alone)
    with torch.set_grad_enabled(grads):
        expected, found = (each.module(**batch.inputs).logits for each in (whole, one))
    assert (found - expected).abs().max() < 1e-5
    assert (dense.module(**batch.inputs).logits - expected).abs().max() > 1e-2
    with torch.no_grad():
        one.module.base_model.encoder.relative_attention_bias.weight.zero_()
    assert (one.module(**batch.inputs).logits - expected).abs().max() > 1e-2, "premise: the bias says something"


def test_first_token_only_is_refused_where_the_head_reads_more(family):
    model = (
        tiny_model(family, head="TokenClassification") if family.inputs == "tokens" else tiny_model(family).base_model
    )
    from axkit.anatomy.surgery import carve, dense_structure

    now = dense_structure(model, family)
    with pytest.raises(NotApplicable, match="leave first_token_only off"):
        carve(model, family, now, Structure(now.layers, now.n_heads, now.ffn_width, True))


def test_hard_attention_survives_a_change_of_the_attention_implementation(family):
    subject = tiny_subject(family)
    subject.carve(subject.structure.change(0, hard_k=3))
    batch = tiny_split(8, family=family).batch(range(8))
    before = subject.module(**batch.inputs).logits
    for name in ("eager", "sdpa"):
        subject.module.set_attn_implementation(name)
        assert (subject.module(**batch.inputs).logits - before).abs().max() < 1e-5


def test_hard_attention_keeps_k_probabilities_not_renormalised():
    from axkit.anatomy.modules import hard_attention

    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 9, 8)
    module = torch.nn.Module()
    module.axkit_topk = 3
    _, kept = hard_attention(module, q, k, v, None)
    assert (kept > 0).sum(-1).eq(3).all()
    full = (q @ k.transpose(2, 3) * 8**-0.5).softmax(-1)
    assert torch.equal(kept[kept > 0], full[kept > 0])
    assert kept.sum(-1).max() < 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_k_largest_are_k_however_they_are_found(dtype, monkeypatch):
    from axkit.anatomy import modules

    torch.manual_seed(0)
    probabilities = torch.randint(0, 9, (4, 2, 6, 11)).to(dtype) / 40  # equals, and zeros, in nearly every row
    probabilities[0] = torch.rand(2, 6, 11).to(dtype)
    found = [modules.largest(probabilities, 3, None)]
    monkeypatch.setattr(modules, "_sorts_faster", lambda _: False)
    found.append(modules.largest(probabilities, 3, None))
    assert torch.equal(*found)
    assert (found[0] > 0).sum(-1).max() == 3
    assert torch.equal(*(one.sort(-1).values[..., -3:] for one in (found[0], probabilities)))


def test_hard_attention_can_be_trained():
    from axkit.anatomy.modules import hard_attention

    q, k, v = torch.randn(3, 2, 4, 9, 8)
    module = torch.nn.Module()
    module.axkit_topk = 3
    context, _ = hard_attention(module, q.requires_grad_(), k, v, None)
    context.sum().backward()
    assert q.grad is not None
    assert q.grad.abs().sum() > 0


def test_several_groups_of_shared_layers_are_refused():
    family = family_of("albert")
    with pytest.raises(NotApplicable, match=r"num_hidden_groups = 3.*take such a checkpoint"):
        tiny_subject(family, num_hidden_groups=3)


def test_what_is_removed_from_a_shared_layer_is_removed_wherever_it_is_computed():
    subject = tiny_subject(family_of("albert"))
    assert len(subject.structure.layers) == 1
    subject.carve(subject.structure.without_heads(0, [1, 2]))
    seen = []
    subject.layers[0].attention_out.register_forward_hook(lambda _, args, __: seen.append(args[0].shape[-1]))
    subject.module(**tiny_split(4).batch(range(4)).inputs)
    assert seen == [16, 16, 16]


def test_what_a_family_cannot_lose_is_refused_by_name():
    limits = {"heads": "its heads are one", "neurons": "its neurons are one"}
    subject = tiny_subject(family_of("bert").model_copy(update={"limits": limits}))
    dense = subject.structure
    with pytest.raises(NotApplicable, match="cannot lose single heads: its heads are one; remove whole blocks"):
        subject.carve(dense.without_heads(1, [0]))
    with pytest.raises(NotApplicable, match="cannot lose single neurons: its neurons are one; remove whole blocks"):
        subject.carve(dense.without_neurons(1, [0]))
    subject.carve(dense.without_attention(1).without_ffn(1))

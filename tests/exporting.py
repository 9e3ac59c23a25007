"""Models that are exported, cut as passes cut them, and how far what answers is from them."""

from __future__ import annotations

import torch
from conftest import write_rows, write_trained_model

from axkit.anatomy.family import family_of
from axkit.kit import embedding_at, embedding_names, linear_at, linear_names, replace_module
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import tiny_model
from axkit_plugins.quantize.int8.modules import Int8Embedding, Int8Linear
from axkit_plugins.runtimes.export import Export

K = 6
SHAPES = ((1, 1), (2, K - 1), (3, K), (2, K + 1), (4, 40), (32, 128))  # n < K, n = K, n just above, far above
HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering")


def subject_of(name, head="SequenceClassification", **settings):
    family = family_of(name)
    settings = {"num_labels": 2 if head == "QuestionAnswering" else 3, "max_position_embeddings": 140} | settings
    settings |= {"n_positions": 140} if name == "gpt2" else {}
    return torch_subject(tiny_model(family, head=head, **settings), family)


def cut(subject, last=0.4):
    """Some of everything that a pass can take away; the last layer keeps so much of its attention."""
    left = subject.structure.keep_heads(0, [0, 2]).change(0, hard_k=K)
    if len(left.layers) > 1:
        left = left.keep_neurons(0, range(5)).without_attention(1).keep_heads(2, [1, 2, 3]).change(2, hard_k=last)
    subject.carve(left)
    return subject


def cut_to_biases(subject):
    """Blocks that have lost all heads and neurons one by one, a block and a layer that are gone."""
    left = subject.structure.without_heads(0, range(4)).without_neurons(2, range(24)).without_ffn(0).without_layer(1)
    subject.carve(left)
    return subject


def exported(subject, **settings):
    """Another subject, of onnxruntime unless settings say another; the one given is left as it is."""
    other = subject.copy()
    Export().apply(other, Export.Config(**settings), None)
    return other


def inputs_of(rows, tokens, pad, seed=0):
    """Random ids; all rows but the first are padded somewhere."""
    draw = torch.Generator().manual_seed(100 * rows + tokens + seed)
    ids = torch.randint(4, 28, (rows, tokens), generator=draw)
    lengths = torch.randint(1, tokens + 1, (rows,), generator=draw)
    lengths[0] = tokens
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    return {"input_ids": ids.where(mask.bool(), torch.tensor(pad)), "attention_mask": mask}


def gap(one, other, shapes=SHAPES):
    """How far answers at real tokens are apart, at most.

    Among thousands of queries with hard attention there are some whose last kept probability and the next are alike
    but for rounding: which of them is kept goes by the processor, and moves the answers of that row. So a tenth of the
    answers of a large batch may be further apart; with few tokens none may.
    """
    worst, hard = 0.0, any(layer.hard_k for layer in one.structure.layers)
    for rows, tokens in shapes:
        inputs = inputs_of(rows, tokens, one.body.config["pad_token_id"])
        expected, found = one.body.answer(inputs), other.body.answer(inputs)
        for name, value in found.items():
            assert value.shape == expected[name].shape
            apart = (value - expected[name]).abs()
            if apart.shape[:2] == inputs["input_ids"].shape:
                apart = apart[inputs["attention_mask"].bool()]
            nearly = hard and rows * tokens > 1000
            worst = max(worst, float(apart.flatten().quantile(0.9) if nearly else apart.max()))
    return worst


def in_eight_bits(subject, grid=None):
    for name in linear_names(subject):
        replace_module(subject.module, name, Int8Linear.from_float(linear_at(subject.module, name), grid))
    for name in embedding_names(subject):
        replace_module(subject.module, name, Int8Embedding.from_float(embedding_at(subject.module, name)))
    return subject


V3 = {
    "position_biased_input": False,
    "type_vocab_size": 0,
    "share_att_key": True,
    "position_buckets": 16,
    "conv_kernel_size": 0,
    "pos_att_type": ["p2c", "c2p"],
}


def workplace(folder, monkeypatch, recipe):
    """A trained model, rows and a recipe; the working directory."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "hf"))
    write_trained_model(folder / "model", "bert")
    write_rows(folder / "train.jsonl", 80, 1)
    write_rows(folder / "test.jsonl", 40, 2)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder

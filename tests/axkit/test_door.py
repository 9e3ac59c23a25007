"""What is refused of a checkpoint, by whichever way it comes in, and what stays accepted."""

from __future__ import annotations

import socket

import pytest
import torch
from door import both_refuse, change, edit, for_task, write_bert

from axkit.anatomy.family import family_of
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet
from axkit.runtimes.folder import load_subject
from axkit.runtimes.torch.opening import open_for_task
from axkit.tasks.kinds.known import KINDS
from axkit.testing import tiny_model, tiny_tokenizer


@pytest.fixture
def folder(tmp_path):
    return write_bert(tmp_path / "model")


def without(*parts):
    return lambda weights: {n: w for n, w in weights.items() if not any(part in n for part in parts)}


def test_what_is_whole_opens_by_both_ways(folder):
    inputs = tiny_tokenizer()("the film was good", return_tensors="pt")
    expected = tiny_model(family_of("bert"))(**inputs).logits
    for opened in (load_subject(folder).module, for_task(folder)):
        # the same weights; where they lie in memory, kernels of some processors sum in another order
        torch.testing.assert_close(opened(**inputs).logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (without("classifier"), "no such head"),
        (without("pooler"), "lacks 2 weights"),
        (lambda w: {n.replace("classifier.", "classifier.out_proj."): t for n, t in w.items()}, "lacks 2 weights"),
        (lambda w: {**w, "classifier2.weight": torch.ones(2, 32)}, "have no place"),
        (lambda w: {**w, "bert.encoder.layer.0.adapter.weight": torch.ones(2, 2)}, "have no place"),
        (lambda w: {**w, "classifier.weight": torch.ones(3, 32), "classifier.bias": torch.ones(3)}, "no such head"),
        (without("layer.2."), "num_hidden_layers 3, and the weights are of 2"),
        (without("word_embeddings"), "lacks 1 weights"),
        (lambda w: {**w, "bert.pooler.dense.bias": torch.ones(31)}, "other shapes"),
        (lambda w: {**w, "bert.pooler.dense.bias": torch.full((32,), torch.nan)}, "no numbers"),
        (lambda w: {**w, "bert.pooler.dense.bias": torch.full((32,), torch.inf)}, "no numbers"),
        (lambda w: {**w, "bert.pooler.dense.weight": torch.ones(32, 32, dtype=torch.int64)}, "is of kind I64"),
        (lambda w: {**w, "bert.pooler.dense.weight": torch.ones(32, 32).to(torch.float8_e4m3fn)}, "is of kind F8"),
        (lambda w: {**w, "bert.pooler.dense.weight": torch.ones(0, 32)}, "is empty"),
        (lambda w: {}, "no weights"),
    ],
)
def test_weights_that_do_not_fit(folder, make, match):
    change(folder, make)
    both_refuse(folder, match)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_another_number_of_layers(folder, layers):
    edit(folder, num_hidden_layers=layers)
    both_refuse(folder, f"num_hidden_layers {layers}, and the weights are of 3")


def test_what_published_checkpoints_have_more_or_less_stays_accepted(folder):
    def as_published(weights):
        renamed = {n.replace("LayerNorm.weight", "LayerNorm.gamma"): w for n, w in weights.items()}
        renamed = {n.replace("LayerNorm.bias", "LayerNorm.beta"): w for n, w in renamed.items()}
        ids = {"bert.embeddings.position_ids": torch.arange(64)[None]}
        return {**renamed, **ids, "cls.predictions.bias": torch.zeros(64), "cls.seq_relationship.bias": torch.zeros(2)}

    expected = load_subject(folder).module.state_dict()
    change(folder, as_published)
    for module in (load_subject(folder).module, for_task(folder)):
        assert all(torch.equal(tensor, expected[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("kind", ["classification", "token_classification", "question_answering", "regression"])
def test_every_kind_of_head_opens(folder, kind):
    change(folder, without("classifier"))
    edit(folder, architectures=["BertModel"])
    chosen = KINDS[kind]
    module = open_for_task(folder, chosen, 2, ["no", "yes"] if kind != "question_answering" else [], 0)
    with quiet():
        module.save_pretrained(folder)
    assert type(load_subject(folder).module).__name__ == f"BertFor{chosen.about.head}"


@pytest.mark.parametrize("architecture", ["Model", "ForMaskedLM", "ForPreTraining", "ForTokenClassification"])
def test_a_base_model_opens_with_a_new_head(folder, architecture):
    import transformers

    config = tiny_model(family_of("bert"), num_labels=9).config
    base = getattr(transformers, f"Bert{architecture}")(config)
    with quiet():
        base.save_pretrained(folder)
    opened = for_task(folder)
    ours, theirs = (model.encoder.layer[2].output.dense.weight for model in (opened.bert, base.base_model))
    assert torch.equal(ours, theirs)
    assert opened.classifier.weight.shape == (2, 32)
    change(folder, without("encoder.layer.1.output.dense.bias"))
    with pytest.raises(CheckpointError, match="lacks 1 weights of its own"):
        for_task(folder)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"id2label": ["neg", "pos"]}, "id2label is"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label is"),
        ({"id2label": {"0": "a", "1": "b"}, "num_labels": 3}, "num_labels is 3"),
        ({"num_labels": "2"}, "num_labels is the text '2'"),
        ({"num_labels": True}, "num_labels is True"),
        ({"num_labels": 1, "problem_type": "single_label_classification"}, "'regression'"),
        ({"problem_type": "guess"}, "problem_type is the text 'guess'"),
        ({"num_attention_heads": 5}, "num_attention_heads 5 does not divide hidden_size 32"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"hidden_size": -32}, "hidden_size is -32"),
        ({"intermediate_size": 1_000_000}, "no weight is of that size"),
        ({"vocab_size": 16_000_000}, "no weight is of that size"),
        ({"max_position_embeddings": 5_000_000}, "no weight is of that size"),
        ({"hidden_dropout_prob": 3}, "hidden_dropout_prob is 3"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps is the text"),
        ({"pad_token_id": 64}, "pad_token_id is 64"),
        ({"dtype": "float8"}, "dtype is the text"),
        ({"torch_dtype": 32}, "torch_dtype is 32"),
        ({"architectures": "BertModel"}, "architectures is the text"),
        ({"architectures": ["os.system"]}, "architectures is"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantized elsewhere"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "quantized elsewhere"),
        ({"auto_map": {"AutoModel": "evil.Evil"}}, "code of its own"),
        ({"auto_map": {"AutoModel": "modeling_axkit.AxkitBertModel"}}, "code of its own"),  # of a stock type
        ({"hidden_act": "nothing"}, "does not load"),
        ({"model_type": 5}, "names no model_type"),
        ({"use_cache": "no"}, "use_cache is the text"),
        ({"initializer_range": 1e300}, "initializer_range is 1e.300"),
    ],
)
def test_configs_that_cannot_be(folder, fields, match):
    edit(folder, **fields)
    both_refuse(folder, match)


@pytest.mark.parametrize("name", ["AutoModel", "pipeline", "BertTokenizer", "GPT2Model", "GenerationConfig"])
def test_an_architecture_is_a_model_of_the_configs_type(folder, name):
    edit(folder, architectures=[name])
    with pytest.raises(CheckpointError):
        load_subject(folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"attn_implementation": "kernels-community/flash-attn"},
        {"_attn_implementation": "flash_attention_2"},
        {"_attn_implementation_internal": 7},
        {"experts_implementation": "nothing"},
        {"transformers_weights": "../elsewhere.safetensors"},
        {"name_or_path": "somebody/model", "_commit_hash": "x"},
        {"return_dict": False},
        {"torchscript": True},
        {"output_attentions": True, "output_hidden_states": True},
        {"chunk_size_feed_forward": 7},
        {"gradient_checkpointing": True},
    ],
)
def test_what_says_how_to_compute_is_left_out(folder, fields, monkeypatch):
    def none(*_):
        raise AssertionError("it reached for the network")

    monkeypatch.setattr(socket.socket, "connect", none)
    monkeypatch.setattr(socket, "getaddrinfo", none)
    inputs = tiny_tokenizer()("the film was good", return_tensors="pt")
    expected = load_subject(folder).module(**inputs).logits
    edit(folder, **fields)
    for opened in (load_subject(folder).module, for_task(folder)):
        # the same weights; where they lie in memory, kernels of some processors sum in another order
        torch.testing.assert_close(opened(**inputs).logits, expected, rtol=0, atol=1e-6)


def test_nothing_of_a_checkpoint_is_run(folder, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    for name in ("evil.py", "modeling_bert.py", "tokenization_bert.py", "configuration_bert.py"):
        (folder / name).write_text(f"open({str(mark)!r}, 'w').close()\nclass Evil: pass\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    code = {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"], "AutoModel": "evil.Evil"}}
    edit(folder, "tokenizer_config.json", **code)
    both_refuse(folder, "code of its own")
    edit(folder, **code)
    both_refuse(folder, "code of its own")
    assert not mark.exists()

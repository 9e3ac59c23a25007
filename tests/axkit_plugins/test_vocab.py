from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import FAMILIES
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast

import axkit
from axkit.anatomy.family import family_of
from axkit.axformer.prune import AxformerPrune
from axkit.ground.errors import NotApplicable, RecipeError
from axkit.report.run_folder import write_run
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.runtimes.folder import save
from axkit.testing import lend, logits_of, reload, tiny_model, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.vocab import Vocab, shrink

CORPUS = ["the cat sat on the mat", "a dog and a catalogue", "matted dogs sit on mats"] * 3
OTHER = ["an elephant never forgets", "zebras and quokkas dozing", "the cats sat down"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def trained(kind):
    """A tokenizer of each kind of model, trained on more than the corpus."""
    if kind == "BPE":
        raw = Tokenizer(models.BPE(unk_token="[UNK]"))
        trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=SPECIALS)
        raw.pre_tokenizer = pre_tokenizers.Whitespace()
    elif kind == "Unigram":
        raw = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(vocab_size=70, special_tokens=SPECIALS, unk_token="[UNK]")
        raw.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIALS)
        raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.normalizer = normalizers.Lowercase()
    raw.train_from_iterator(CORPUS + OTHER * 4, trainer)
    cls, sep = ((t, raw.token_to_id(t)) for t in ("[CLS]", "[SEP]"))
    raw.post_processor = {
        "BPE": processors.RobertaProcessing(sep, cls),
        "Unigram": processors.BertProcessing(sep, cls),
        "WordPiece": processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[cls, sep]),
    }[kind]
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=raw, **names, model_input_names=["input_ids", "attention_mask"])


@pytest.mark.parametrize("kind", ["WordPiece", "BPE", "Unigram"])
def test_the_corpus_is_split_as_before_and_the_rest_is_still_split(kind, tmp_path):
    tokenizer = trained(kind)
    rows = SimpleNamespace(examples=[{"input_ids": tokenizer(text)["input_ids"]} for text in CORPUS])
    counts = shrink.count_ids(rows)
    smaller, kept = shrink.smaller_tokenizer(tokenizer, counts, 1, True)
    assert len(smaller) == len(kept) < len(tokenizer)
    smaller.save_pretrained(tmp_path)
    for made in (smaller, AutoTokenizer.from_pretrained(tmp_path)):
        for text in CORPUS:
            assert [kept[i] for i in made(text)["input_ids"]] == tokenizer(text)["input_ids"]
        for text in OTHER:
            assert max(made(text)["input_ids"]) < len(kept)
        assert made.pad_token_id == tokenizer.pad_token_id
    if kind != "Unigram":
        assert smaller.unk_token_id not in smaller("the elephant")["input_ids"]  # spelled out


def run(subject, tmp_path, **settings):
    tools = lend(tmp_path)
    return tools, Vocab().apply(subject, Vocab.Config(**settings), tools)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "vit"])
def test_logits_stay_and_stock_classes_load_it(name, tmp_path):
    family = family_of(name)
    subject = tiny_subject(family)
    before = logits_of(subject.module, tiny_split(40, 2))
    _, result = run(subject, tmp_path / "scratch")
    split = tiny_split(40, 2, subject.reader)
    assert torch.equal(logits_of(subject.module, split), before)
    assert result.facts["word_pieces_before"] == 64
    assert result.facts["word_pieces_after"] == len(subject.reader) == subject.module.config.vocab_size
    (tmp_path / "model").mkdir()
    save(subject, subject.reader, tmp_path / "model")
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == family.model_type
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    text = "the film was good"
    inputs = AutoTokenizer.from_pretrained(tmp_path / "model")(text, return_tensors="pt")
    dense = tiny_model(family)(**tiny_tokenizer()(text, return_tensors="pt")).logits
    torch.testing.assert_close(stock(**inputs).logits, dense)


def test_a_vocabulary_in_full_use_says_so(tmp_path):
    subject = tiny_subject(family_of("bert"))
    run(subject, tmp_path)
    before, tools = subject.reader, lend(tmp_path, reader=subject.reader)
    shrunk = subject.module.get_input_embeddings().weight.shape[0]
    result = Vocab().apply(subject, Vocab.Config(), tools)
    assert shrunk == len(tools.reader)
    assert "nothing changed" in result.note
    assert subject.reader is before


def test_a_model_without_words_is_refused(tmp_path):
    subject = tiny_subject(family_of("bert"))
    subject.module.set_input_embeddings(torch.nn.Linear(3, 32))
    with pytest.raises(NotApplicable, match="no word embeddings"):
        run(subject, tmp_path)


@pytest.mark.parametrize("name", ["roberta", "gpt2", "modernbert"])
def test_a_padding_id_moves_unless_positions_are_counted_from_it(name, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = "so"  # the last of all
    tools = dataclasses.replace(
        lend(tmp_path), train=tiny_split(1, 1, tokenizer), search=tiny_split(1, 2, tokenizer), reader=tokenizer
    )
    subject = dataclasses.replace(tiny_subject(family_of(name), pad_token_id=tokenizer.pad_token_id), reader=tokenizer)
    before = logits_of(subject.module, tools.search)
    if name == "roberta":
        with pytest.raises(NotApplicable, match="padding id"):
            Vocab().apply(subject, Vocab.Config(), tools)
        return
    Vocab().apply(subject, Vocab.Config(), tools)
    assert subject.module.config.pad_token_id == subject.reader.pad_token_id < tokenizer.pad_token_id
    split = tiny_split(1, 2, subject.reader)
    assert torch.equal(logits_of(subject.module, split), before)
    torch.testing.assert_close(logits_of(reload(subject, subject.reader).module, split), before)


RECIPE = """\
axkit: 1
name: small-words
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
passes:
  - pass: finetune
    epochs: 3
    learning_rate: 3e-3
  - pass: vocab
    budget: {max_drop: 100}
  - pass: int8
"""


def test_a_run_goes_on_with_the_new_tokenizer_and_resumes_with_it(workplace):
    recipe = read_source(RECIPE, "r.yaml")
    first = axkit.apply(recipe, runs="runs")
    record = first.stages[1].record
    assert record.new_tokenizer
    assert record.told.facts["word_pieces_after"] < record.told.facts["word_pieces_before"]
    assert record.search.score == first.stages[0].record.search.score
    again = axkit.apply(recipe, runs="runs")
    assert all(stage.record.reused for stage in again.stages)
    for run in (first, again):
        write_run(run, workplace / "out")
        saved = AutoTokenizer.from_pretrained(workplace / "out")
        model = axkit.load(workplace / "out")
        assert len(saved) == len(run.subject.reader) == model.config.vocab_size
        report = json.loads((workplace / "out" / "report.json").read_text())
        inputs = saved(report["probe"]["texts"], padding=True, return_tensors="pt")
        np.testing.assert_allclose(model(**inputs).logits.tolist(), report["probe"]["logits"], atol=1e-5)
    assert first.summary.quality.dense.points == again.summary.quality.dense.points


def test_an_undone_stage_leaves_the_old_tokenizer(workplace):
    """With a budget that nothing keeps: what a tiny model has learned must not decide."""
    made = plan(read_source(RECIPE, "r.yaml"))
    vocab = made.steps[1]
    object.__setattr__(vocab, "budget", vocab.budget.model_copy(update={"max_drop": -101.0}))
    run = axkit.apply(made, runs="runs")
    assert run.stages[1].record.undone
    assert not run.stages[1].record.new_tokenizer
    assert len(run.subject.reader) == len(tiny_tokenizer())


def test_a_budget_after_it_is_held_against_the_dense_model_s_own_answers(workplace, monkeypatch):
    lent = []
    real = AxformerPrune.apply
    monkeypatch.setattr(AxformerPrune, "apply", lambda *args: (lent.append(args[-1]), real(*args))[1])
    text = RECIPE.replace(
        "pass: int8", "pass: axformer_prune\n    objective: budget\n    size: 1.05\n    max_drop: 100"
    )
    run = axkit.apply(read_source(text, "r.yaml"), runs="runs")
    (tools,) = lent
    assert len(tools.reader) < len(tools.dense_rows.tokenizer)
    scored = tools.dense_rows.evaluate(tools.teacher.module)
    assert scored.loss == pytest.approx(run.stages[0].record.search.loss_nats, abs=1e-6)


def test_what_needs_a_teacher_comes_before(monkeypatch):
    monkeypatch.setattr("axkit.axformer.hard_attention.HardAttention.needs", frozenset({"teacher"}))
    text = RECIPE.replace("model: model", "model: embedded:distilbert").replace("int8", "hard_attention")
    with pytest.raises(RecipeError, match=r"'hard_attention' needs teacher_tokens, which 'vocab'.*ends; put"):
        plan(read_source(text, "r.yaml"))


def test_refit_after_vocab_is_refused(workplace):
    text = RECIPE.replace("pass: int8", "pass: finetune\n    refit: pretrained")
    with pytest.raises(NotApplicable, match="put vocab after it"):
        axkit.apply(read_source(text, "r.yaml"), runs="runs")

"""Sides of padding and truncation, and kinds of tokenizers: labels stand at their words, and no row knows its batch."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.tokenization_python import PreTrainedTokenizer

from axkit.anatomy.family import family_of
from axkit.cli import app as cli
from axkit.finished import use as using
from axkit.ground.errors import CheckpointError, DataError
from axkit.ground.quiet import quiet
from axkit.runtimes.torch.opening import fit_padding, open_subject, open_tokenizer
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split
from axkit.testing import tiny_model, tiny_tokenizer

SIDES = ("right", "left")
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _raw(kind):
    """One piece for most letters, in each of the ways that spaces, cases and accents are told by tokenizers."""
    if kind == "word pieces, lower case, accents off":
        pieces = [*SPECIALS, *LETTERS, *(f"##{c}" for c in LETTERS), "."]
        raw = Tokenizer(models.WordPiece({w: i for i, w in enumerate(pieces)}, unk_token="[UNK]"))
        raw.normalizer = normalizers.BertNormalizer(lowercase=True)
        raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind.startswith("bytes"):
        alphabet = SPECIALS + sorted(pre_tokenizers.ByteLevel.alphabet())
        raw = Tokenizer(models.BPE({w: i for i, w in enumerate(alphabet)}, []))
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space="space" in kind, trim_offsets="trim" in kind)
    else:
        scores = [(one, -1.0) for one in (*SPECIALS, "\u2581ada", "\u2581", *LETTERS, ".")]
        raw = Tokenizer(models.Unigram(scores, unk_id=1))
        if kind == "sentence pieces":
            raw.pre_tokenizer = pre_tokenizers.Metaspace()
        elif kind == "sentence pieces across words":
            raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        else:  # as Llama's files have it
            raw.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    return raw


KINDS_OF_TOKENIZERS = (
    "word pieces, lower case, accents off", "bytes", "bytes, space before", "bytes, space before, trim",
    "sentence pieces", "sentence pieces across words", "sentence pieces by replacement",
)  # fmt: skip


def tokenizer_of(kind, special=True, side="right", truncation="right", names=("input_ids", "attention_mask")):
    raw = _raw(kind)
    if special:
        raw.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    known = {"pad_token": "[PAD]", "unk_token": "[UNK]"} | (
        {"cls_token": "[CLS]", "sep_token": "[SEP]"} if special else {}
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, padding_side=side, truncation_side=truncation, model_input_names=list(names), **known
    )


WORDS = [
    ["Ada", "ran", "in", "paris", "."],
    ["x"],
    ["\u00c9a", "\u200b", "b", "...", "\u65e5\u672c", "c"],
    ["[SEP]", "ada", "\U0001f44d\U0001f3fd", "a-b"],
]
TAGS = ("B-X", "I-X", "O")


def tagged(tokenizer, limit=60, words=WORDS):
    labels = np.empty(len(words), dtype=object)
    labels[:] = [tuple(TAGS[i % 3] for i in range(len(row))) for row in words]
    spec = TaskSpec(kind="token_classification", text="words", label="tags")
    rows = SplitRows([tuple(row) for row in words], labels, TAGS)
    return Split(rows, spec, KINDS["token_classification"], tokenizer, limit)


@pytest.mark.parametrize(("kind", "side", "special"), [*itertools.product(KINDS_OF_TOKENIZERS, SIDES, (True, False))])
def test_labels_stand_at_the_first_piece_of_their_words(kind, side, special):
    tokenizer = tokenizer_of(kind, special, side)
    split = tagged(tokenizer)
    batch = split.batch(range(len(WORDS)))
    for row, words in enumerate(WORDS):
        text = " ".join(words)
        real = batch.inputs["attention_mask"][row].bool()
        alone = tokenizer(text, return_offsets_mapping=True)
        assert batch.inputs["input_ids"][row][real].tolist() == alone["input_ids"]
        labels = batch.labels[row][real].tolist()
        assert (batch.labels[row][~real] == -100).all()
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        told = {}
        for (start, end), label in zip(alone["offset_mapping"], labels, strict=True):
            if label >= 0:
                covered = [i for i in range(len(words)) if starts[i] < end and start < starts[i] + len(words[i])]
                told[covered[0]] = label
        assert told == {word: word % 3 for word in told}, "each at its own word"
        without = {i for i, word in enumerate(words) if word == "\u200b"}  # some tokenizers drop it
        assert set(range(len(words))) - set(told) <= without
    assert split.at_limit == 0


@pytest.mark.parametrize("truncation", SIDES)
def test_what_is_cut_off_has_no_tag_on_either_side(truncation):
    tokenizer = tokenizer_of(KINDS_OF_TOKENIZERS[0], truncation=truncation)
    split = tagged(tokenizer, 8, [["abc", "de", "fgh"], ["ab", "c"]])
    assert split.at_limit == 1
    (words, _), _ = split.encoded.notes
    # six letters are left: "abc de f" with the beginning of fgh, or "c de fgh" without that of abc
    assert words == ([0, 1, 2] if truncation == "right" else [1, 2])
    assert [label for label in split.labels[0] if label >= 0] == words


def sentences(tokenizer, kind="classification"):
    texts = [("the film was good and bright",), ("dull",), ("so the play was not very good but fine",), ("a b",)]
    spec = TaskSpec(kind=kind, text="s", label="y")
    return Split(SplitRows(texts, np.array([0, 1, 0, 1]), ("a", "b")), spec, KINDS[kind], tokenizer, 60)


def sided(side):
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side = side
    return tokenizer


def test_the_side_of_the_padding_changes_no_answer_and_no_row_knows_its_batch(family):
    if family.inputs == "pixels":
        return
    model = tiny_model(family)
    one, other = (sentences(sided(side)).batch(range(4)).inputs for side in SIDES)
    assert all(torch.equal(one[name], other[name]) for name in one), "searches and trainings see no difference at all"
    right, left = (sentences(sided(side)).evaluate(model) for side in SIDES)
    np.testing.assert_allclose(left.losses, right.losses, atol=1e-5)
    alone = sentences(sided("left")).evaluate(model, size=1)
    np.testing.assert_allclose(alone.losses, right.losses, atol=1e-5)
    tagger = tiny_model(family, head="TokenClassification", num_labels=3)
    words = [["film", "was", "good", "and", "dull"], ["play"]]
    right, left = (tagged(sided(side), words=words).evaluate(tagger) for side in SIDES)
    np.testing.assert_allclose(left.losses, right.losses, atol=1e-5)
    assert left.predictions.tolist() == right.predictions.tolist()


@pytest.mark.parametrize("side", SIDES)
def test_a_tokenizer_that_makes_no_mask_gets_one(side):
    tokenizer = sided(side)
    tokenizer.model_input_names = ["input_ids"]
    split, model = sentences(tokenizer), tiny_model(family_of("bert"))
    assert split.batch([0, 1]).is_padded
    np.testing.assert_allclose(split.evaluate(model).losses, split.evaluate(model, size=1).losses, atol=1e-5)


def test_a_causal_classifier_reads_the_last_token_before_the_padding():
    family = family_of("gpt2")
    model, tokenizer = tiny_model(family, pad_token_id=7), tiny_tokenizer()  # 7 is a word, [PAD] is 0
    split = sentences(tokenizer)
    before = split.evaluate(model).losses
    assert abs(before - split.evaluate(model, size=1).losses).max() > 1e-3, "premise: the wrong id is seen"
    fit_padding(model, tokenizer, family)
    np.testing.assert_allclose(split.evaluate(model).losses, split.evaluate(model, size=1).losses, atol=1e-5)
    others = tiny_model(family_of("roberta"), pad_token_id=1)
    fit_padding(others, tokenizer, family_of("roberta"))
    assert others.config.pad_token_id == 1, "positions count from it"


def test_a_causal_model_that_knows_no_padding_is_scored_timed_and_asked(tmp_path):
    module = tiny_model(family_of("gpt2"), pad_token_id=None, eos_token_id=None)
    with quiet():
        module.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="batch sizes > 1"):  # premise
        module(**sentences(tiny_tokenizer()).batch([0, 1]).inputs)
    teacher = open_subject(str(tmp_path), tiny_tokenizer(), KINDS["classification"])
    assert teacher.module(**sentences(tiny_tokenizer()).batch([0, 1]).inputs).logits.shape == (2, 2)
    assert using.bench(tmp_path)["result"].throughput_b32_per_s > 0
    assert sum(using.predict(tmp_path, "good film").values()) == pytest.approx(1)


def save_left(folder):
    """A tokenizer whose file says that it pads on the left."""
    tiny_tokenizer().save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": "left"}))
    assert PreTrainedTokenizerFast.from_pretrained(folder).padding_side == "left", "premise"


def test_what_is_opened_pads_on_the_right_and_is_saved_so(tmp_path):
    save_left(tmp_path / "one")
    tokenizer = open_tokenizer(tmp_path / "one")
    assert tokenizer.padding_side == "right"
    tokenizer.save_pretrained(tmp_path / "two")
    assert PreTrainedTokenizerFast.from_pretrained(tmp_path / "two").padding_side == "right"


class Slow(PreTrainedTokenizer):
    """A tokenizer in Python, which knows no characters of its pieces."""

    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(self, **more):
        self.words = ["[PAD]", "[UNK]", "good", "film"]
        super().__init__(pad_token="[PAD]", unk_token="[UNK]", **more)

    vocab_size = 4

    def get_vocab(self):
        return {word: i for i, word in enumerate(self.words)}

    def _tokenize(self, text, **_):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.words.index(token) if token in self.words else 1

    def _convert_id_to_token(self, index):
        return self.words[index]


def test_a_slow_tokenizer_classifies_and_is_refused_where_characters_count():
    assert sentences(Slow()).batch([0, 1]).inputs["input_ids"].shape == (2, 6)
    with pytest.raises(CheckpointError, match=r"token_classification needs a tokenizer .* and Slow is a slow one"):
        tagged(Slow())
    spec = TaskSpec(kind="question_answering", text=["q", "c"], label="a")
    labels = np.empty(1, dtype=object)
    labels[:] = [((0, "good"),)]
    with pytest.raises(CheckpointError, match="question_answering needs a tokenizer"):
        Split(SplitRows([("film", "good film")], labels), spec, KINDS["question_answering"], Slow(), 60)


def test_texts_of_no_token_are_refused():
    raw = Tokenizer(models.BPE({"[PAD]": 0, "a": 1}, []))  # no unknown token: what it does not know is dropped
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]")
    spec = TaskSpec(kind="classification", text="s", label="y")
    rows = SplitRows([("a",), ("bb",)], np.array([0, 1]), ("a", "b"))
    with pytest.raises(DataError, match=r"1 texts give the tokenizer no token \(example 2 first\)"):
        Split(rows, spec, KINDS["classification"], tokenizer, 60)


@pytest.mark.parametrize(("kind", "side", "truncation"), [*itertools.product(KINDS_OF_TOKENIZERS, SIDES, SIDES)])
@pytest.mark.parametrize("special", [True, False])
def test_answers_are_found_where_they_stand(kind, side, truncation, special):
    context = "Ada ran in paris and \u00c9a won it . ada was in rome ."
    tokenizer = tokenizer_of(kind, special, side, truncation)
    labels = np.empty(2, dtype=object)
    labels[:] = [((context.index("\u00c9a"), "\u00c9a"),), ((0, "Ada"),)]
    spec = TaskSpec(kind="question_answering", text=["q", "c"], label="a", max_length=38, stride=8)
    rows = SplitRows([("who won", context), ("who", "Ada ran")], labels)
    split = Split(rows, spec, KINDS["question_answering"], tokenizer, 60)
    assert len(split) > len(labels), "premise: several windows"
    batch = split.batch(range(len(split)))
    found = set()
    for number, window in enumerate(split.encoded.notes):
        real = batch.inputs["attention_mask"][number].bool()
        assert (batch.labels[number][:, 0] >= 0).tolist() == real.tolist()
        start, end = (int(batch.labels[number][:, k].argmax()) for k in (0, 1))
        if window.spans[start]:
            said = window.context[window.spans[start][0] : window.spans[end][1]].strip()
            found.add((window.row, said))
    assert found == {(0, "\u00c9a"), (1, "Ada")}

    class Right(torch.nn.Module):
        """Knows the answer of each window by its inputs."""

        def forward(self, input_ids, **_):
            out = torch.zeros(*input_ids.shape, 2)
            for row, ids in enumerate(input_ids.tolist()):
                for known, label in zip(batch.inputs["input_ids"].tolist(), batch.labels, strict=True):
                    if known[: len(ids)] == ids[: len(known)]:
                        out[row] = (label == 1)[: len(ids)] * 9.0
            return {"start_logits": out[..., 0], "end_logits": out[..., 1]}

    assert split.evaluate(Right(), size=len(split)).score == 100


def test_the_plan_says_that_it_pads_otherwise(workplace):
    def told():
        done = CliRunner().invoke(cli.cli, ["plan", "recipe.yaml"])
        assert done.exception is None, done.exception
        return "the tokenizer pads on the left" in done.stdout

    assert not told()
    save_left(workplace / "model")
    assert told()

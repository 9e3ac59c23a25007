"""Token classification: pieces and words, losses per row, F1 of whole entities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from axkit.axformer.rule.criteria import CRITERIA
from axkit.ground.errors import NotApplicable
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.kind import metric_of
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.kinds.token_classification.metrics import entities, token_accuracy
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split

KIND = KINDS["token_classification"]
entity_f1 = metric_of(KIND.about, "entity_f1").points
NAMES = ("B-PER", "I-PER", "O")
SPEC = TaskSpec(kind="token_classification", text="words", label="tags")


def pieces(byte_level=False):
    """Words of one letter per piece: every word of more letters has several."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    if byte_level:  # a piece may begin with the space before its word, as GPT-2's and RoBERTa's do
        vocabulary = specials + sorted(pre_tokenizers.ByteLevel.alphabet())
        raw = Tokenizer(models.BPE({w: i for i, w in enumerate(vocabulary)}, [], unk_token="[UNK]"))
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    else:
        letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
        raw = Tokenizer(models.WordPiece({w: i for i, w in enumerate(specials + letters)}, unk_token="[UNK]"))
        raw.normalizer = normalizers.BertNormalizer(lowercase=True)
        raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def split_of(words, tags, tokenizer=None, limit=60):
    labels = np.empty(len(tags), dtype=object)
    labels[:] = [tuple(row) for row in tags]
    return Split(SplitRows([tuple(row) for row in words], labels, NAMES), SPEC, KIND, tokenizer or pieces(), limit)


def test_the_first_piece_of_a_word_has_its_tag():
    split = split_of([["Ada", "is", "x", "May"]], [["B-PER", "O", "O", "I-PER"]])
    _ = -100
    assert split.labels[0] == [_, 0, _, _, 2, _, 2, 1, _, _, _]
    split = split_of([["Ada", "x"]], [["B-PER", "O"]], pieces(byte_level=True))
    assert [label for label in split.labels[0] if label >= 0] == [0, 2]


def test_losses_are_means_over_the_words_of_a_row_however_it_is_padded():
    split = split_of([["a", "b"], ["ada", "b", "c", "d"]], [["O", "B-PER"], ["O", "O", "B-PER", "O"]])
    torch.manual_seed(0)
    both = split.batch([0, 1])
    logits = torch.randn(2, both.labels.shape[1], 3)
    losses = KIND.losses(logits, both.labels)
    for row in (0, 1):
        alone = split.batch([row])
        own = KIND.losses(logits[row : row + 1, : alone.labels.shape[1]], alone.labels)
        torch.testing.assert_close(own[0], losses[row])
        where = both.labels[row] >= 0
        by_hand = torch.nn.functional.cross_entropy(logits[row][where], both.labels[row][where])
        torch.testing.assert_close(losses[row], by_hand)


def test_predictions_are_per_word_and_words_cut_off_are_outside():
    split = split_of([["a", "bc", "d"]], [["B-PER", "I-PER", "B-PER"]], limit=8)
    assert split.at_limit == 0
    cut = split_of([["a", "bcd", "efg", "h"]], [["B-PER", "I-PER", "O", "B-PER"]], limit=8)
    assert cut.at_limit == 1

    class Model(torch.nn.Module):
        def forward(self, input_ids, **_):
            logits = torch.zeros(*input_ids.shape, 3)
            logits[..., 0] = 1
            return {"logits": logits}

    found = cut.evaluate(Model())
    assert found.predictions[0] == ("B-PER", "B-PER", "B-PER", "O")
    assert found.labels[0] == ("B-PER", "I-PER", "O", "B-PER")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [  # as seqeval 1.2.2 has them; 24,000 random sequences were compared once
        ("O O", []),
        ("B-A I-A O B-A", [("A", 0, 1), ("A", 3, 3)]),
        ("B-A B-A", [("A", 0, 0), ("A", 1, 1)]),
        ("I-A I-A", [("A", 0, 1)]),
        ("B-A I-B", [("A", 0, 0), ("B", 1, 1)]),
        ("O I-A I-B I-B", [("A", 1, 1), ("B", 2, 3)]),
        ("B-A I-A E-A S-A O", [("A", 0, 2), ("A", 3, 3)]),
        ("S-A I-A", [("A", 0, 0), ("A", 1, 1)]),
        ("B-X-Y I-X-Y", [("X-Y", 0, 1)]),
        ("I-A I-A B-A E-B S-A", [("A", 0, 1), ("A", 2, 2), ("B", 3, 3), ("A", 4, 4)]),
    ],
)
def test_entities(tags, expected):
    assert list(entities(tuple(tags.split()))) == expected


def test_entity_f1_counts_whole_entities_only():
    golds = [("B-A", "I-A", "O"), ("B-B",), ("O", "O")]
    assert entity_f1(golds, golds) == 100
    assert entity_f1([("B-A", "O", "O"), ("B-B",), ("O", "O")], golds) == pytest.approx(50)  # 1 of 2, 1 of 2
    assert entity_f1([("O", "O", "O"), ("O",), ("O", "O")], golds) == 0
    assert entity_f1([("B-A", "I-A", "O"), ("B-A",), ("O", "B-B")], golds) == pytest.approx(40)  # 1 of 3, 1 of 2
    assert token_accuracy([("B-A", "O", "O"), ("B-B",), ("O", "O")], golds) == pytest.approx(100 * 5 / 6)


def test_majority_finds_no_entity():
    split = split_of([["a", "b"], ["c"]], [["O", "O"], ["B-PER"]])
    majority = rows_of("token_classification").luck.majority(split.golds, split.golds)
    assert majority.tolist() == [("O", "O"), ("O",)]
    assert split.score(majority, split.golds) == 0


def test_what_needs_one_number_per_row_is_refused():
    split = split_of([["a", "b"]], [["O", "O"]])
    with pytest.raises(NotApplicable, match="criterion metric needs one number per row, token_classification predicts"):
        CRITERIA["metric"](split)
    with pytest.raises(NotApplicable, match="criterion calibrated_loss knows no calibration for token_classification"):
        CRITERIA["calibrated_loss"](split)

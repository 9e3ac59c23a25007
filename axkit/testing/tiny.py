"""Tiny random models and tiny data, without network: what the contract tests run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from axkit.anatomy.family import Family
from axkit.anatomy.surgery import dense_structure
from axkit.subject import Subject
from axkit.tasks.kind import Encoded
from axkit.tasks.kinds import KINDS
from axkit.tasks.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Batch, Split

TINY = {"layers": 3, "hidden": 32, "heads": 4, "ffn_width": 24}
_WORDS = [
    "a",
    "the",
    "film",
    "play",
    "story",
    "good",
    "bad",
    "dull",
    "bright",
    "fine",
    "poor",
    "great",
    "weak",
    "is",
    "was",
    "not",
    "very",
    "and",
    "but",
    "so",
]


def tiny_tokenizer() -> Any:
    """A word-level tokenizer with a vocabulary of some 25 words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(specials + _WORDS)}, unk_token="[UNK]"))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=60,
        model_input_names=["input_ids", "attention_mask"],
    )


def tiny_model(family: Family, seed: int = 0, head: str | None = None, **settings: Any) -> Any:
    """A random model of a family, in eval mode: 3 layers, 4 heads, hidden size 32, 24 feed-forward neurons."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    reads_text = family.inputs == "tokens"
    values = {getattr(family.config, role): size for role, size in TINY.items()} | family.tiny
    if reads_text:
        values = {"vocab_size": 64, "max_position_embeddings": 64, "pad_token_id": 0} | values
    config = CONFIG_MAPPING[family.model_type](**(values | {"num_labels": 2} | settings))
    torch.manual_seed(seed)
    head = head or ("SequenceClassification" if reads_text else "ImageClassification")
    model = getattr(transformers, f"AutoModelFor{head}").from_config(config)
    with torch.no_grad():  # the usual 0.02 would make all tiny models answer alike
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def tiny_subject(family: Family, seed: int = 0, **settings: Any) -> Subject:
    """:func:`tiny_model`, ready for a pass."""
    model = tiny_model(family, seed, **settings)
    return Subject(model, family, dense_structure(model, family))


def tiny_split(rows: int = 40, seed: int = 0, tokenizer: Any = None, family: Family | None = None) -> Split:
    """Sentences of 3 to 14 random words with random labels; random images for a family that reads pixels."""
    if family is not None and family.inputs == "pixels":
        return TinyImages(rows, seed, family)
    random = np.random.default_rng(seed)
    texts: list[tuple[str, ...]] = [(" ".join(random.choice(_WORDS, random.integers(3, 15))),) for _ in range(rows)]
    spec = TaskSpec(kind="classification", text="sentence", label="label")
    labels = random.integers(0, 2, rows)
    return Split(SplitRows(texts, labels), spec, KINDS["classification"], tokenizer or tiny_tokenizer(), 60)


class TinyImages(Split):
    """Random square images with random labels; ``lengths`` are in tokens: the patches, and the class token."""

    def __init__(self, rows: int, seed: int, family: Family) -> None:
        random = np.random.default_rng(seed)
        self.kind, self.spec = KINDS["classification"], TaskSpec(kind="classification", text="image", label="label")
        size, patch = int(family.tiny["image_size"]), int(family.tiny["patch_size"])
        self.pixels = torch.tensor(random.normal(size=(rows, 3, size, size)), dtype=torch.float32)
        labels = random.integers(0, 2, rows)
        self.take(Encoded([{} for _ in range(rows)], labels, labels, 0))
        self.lengths = np.full(rows, (size // patch) ** 2 + 1)

    def batch(self, rows: Sequence[int]) -> Batch:
        """These images, (batch, channels, height, width)."""
        labels = torch.as_tensor(self.labels[list(rows)])
        return Batch({"pixel_values": self.pixels[list(rows)]}, labels, np.array(rows))

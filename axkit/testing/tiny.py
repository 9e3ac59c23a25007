"""Tiny random models and tiny data, without network: what the contract tests run on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from axkit.anatomy.family import Family
from axkit.contract.subject import Subject
from axkit.runtimes.torch.body import torch_subject
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.base import Encoded
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split

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
    """``tiny_model``, ready for a pass."""
    model = tiny_model(family, seed, **settings)
    return torch_subject(model, family, reader=tiny_reader(family))


def tiny_sentences(rows: int, seed: int = 0) -> list[str]:
    """3 to 14 random words each, which ``tiny_tokenizer`` knows."""
    return _sentences(rows, np.random.default_rng(seed))


def _sentences(rows: int, random: np.random.Generator) -> list[str]:
    return [" ".join(random.choice(_WORDS, random.integers(3, 15))) for _ in range(rows)]


def tiny_split(rows: int = 40, seed: int = 0, tokenizer: Any = None, family: Family | None = None) -> Split:
    """Sentences of 3 to 14 random words with random labels; random images for a family that reads pixels."""
    if family is not None and family.inputs == "pixels":
        return TinyImages(rows, seed, family)
    random = np.random.default_rng(seed)
    texts: list[tuple[str, ...]] = [(text,) for text in _sentences(rows, random)]
    spec = TaskSpec(kind="classification", text="sentence", label="label")
    labels = random.integers(0, 2, rows)
    return Split(SplitRows(texts, labels), spec, KINDS["classification"], tokenizer or tiny_tokenizer(), 60)


def tiny_reader(family: Family) -> Any:
    """What makes a tiny model's inputs: ``tiny_tokenizer``, or an image reader of the model's tiny images."""
    if family.inputs == "tokens":
        return tiny_tokenizer()
    size = int(family.tiny[str(family.config.image_size)])
    return ImageReader({"image_processor_type": "ViTImageProcessor", "size": {"height": size, "width": size}})


class TinyImages(Split):
    """Random square images with random labels; ``lengths`` are in tokens: the patches, and the class token."""

    def __init__(self, rows: int, seed: int, family: Family) -> None:
        from datasets import Dataset

        random = np.random.default_rng(seed)
        self.kind = KINDS["image_classification"]
        self.spec = TaskSpec(kind="image_classification", image="image", label="label")
        self.tokenizer = tiny_reader(family)
        size, patch = self.tokenizer.shape[1], int(family.tiny[str(family.config.patch_size)])
        pixels = random.integers(0, 256, (rows, *self.tokenizer.shape), dtype=np.uint8)
        self.lengths = np.full(rows, (size // patch) ** 2 + family.leading_tokens)
        self.labels = self.golds = random.integers(0, 2, rows)
        self.examples = Dataset.from_dict({"pixels": [image.tobytes() for image in pixels]})
        self.encoded = Encoded(self.examples, self.lengths, self.labels, self.golds, 0)
        self.parts, self.positive, self.at_limit = np.array([], dtype=object), 1, 0
        self.label_names: tuple[str, ...] = ()

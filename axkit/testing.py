"""Contract tests for plugins: ``check_pass`` and ``check_family`` on tiny random models, without network or data."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axkit.anatomy.family import Family, family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import check_first_token, dense_structure
from axkit.cache import FileJournal
from axkit.passes import Pass, Tools
from axkit.progress import Silent
from axkit.quiet import quiet
from axkit.saving.folder import load_subject, save
from axkit.subject import Subject, TrailStep
from axkit.tasks.kinds import KINDS
from axkit.tasks.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split

TINY = {"layers": 3, "hidden": 32, "heads": 4, "ffn_width": 24}
TOLERANCE = 1e-5
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


def tiny_model(family: Family, seed: int = 0, head: str = "SequenceClassification", **settings: Any) -> Any:
    """A random model of a family, in eval mode: 3 layers, 4 heads, hidden size 32, 24 feed-forward neurons."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    sizes = {getattr(family.config, role): size for role, size in TINY.items()}
    config = CONFIG_MAPPING[family.model_type](
        **sizes, vocab_size=64, max_position_embeddings=64, pad_token_id=0, num_labels=2, **settings
    )
    torch.manual_seed(seed)
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


def tiny_split(rows: int = 40, seed: int = 0, tokenizer: Any = None) -> Split:
    """Sentences of 3 to 14 random words with random labels."""
    random = np.random.default_rng(seed)
    texts: list[tuple[str, ...]] = [(" ".join(random.choice(_WORDS, random.integers(3, 15))),) for _ in range(rows)]
    spec = TaskSpec(kind="classification", text="sentence", label="label")
    labels = random.integers(0, 2, rows)
    return Split(SplitRows(texts, labels), spec, KINDS["classification"], tokenizer or tiny_tokenizer(), 60)


def tiny_tools(folder: Path, teacher: Any = None, rows: int = 40) -> Tools:
    """What the engine would lend a pass, on tiny data; the journal is in ``folder``."""
    tokenizer = tiny_tokenizer()
    return Tools(
        train=tiny_split(rows, 1, tokenizer),
        search=tiny_split(rows, 2, tokenizer),
        teacher=teacher,
        tokenizer=tokenizer,
        model_folder=str(folder),
        seed=7,
        progress=Silent(),
        journal=FileJournal(folder / "journal.jsonl"),
    )


def logits_of(model: Any, split: Split) -> torch.Tensor:
    """Logits for all rows in padded batches of 16, in eval mode: (rows, labels)."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(**batch.inputs).logits for batch in split.batches(16)])


def reload(subject: Subject, tokenizer: Any) -> Subject:
    """Save to a temporary folder and load again."""
    with tempfile.TemporaryDirectory() as folder:
        save(subject, tokenizer, Path(folder))
        return load_subject(folder)


def check_pass(pass_class: type[Pass[Any]], family: str | Family, name: str | None = None, **settings: Any) -> Subject:
    """Hold a pass to its contract on a tiny model: it runs, claims nothing false, and its result survives saving.

    Args:
        pass_class: the pass.
        family: a registered model_type, or a Family.
        name: the registered name; needed only by a pass with a ``restore``.
        settings: of its Config.

    Returns:
        The subject after the pass.

    Raises:
        AssertionError: with the broken clause.
        NotApplicable: the pass refuses this family; that is a way of keeping the contract.
    """
    known = family if isinstance(family, Family) else family_of(family)
    runner, config = pass_class(), pass_class.Config(**settings)
    runner.check(known, config)
    with tempfile.TemporaryDirectory() as scratch:
        dense = tiny_subject(known)
        with quiet():
            dense.module.save_pretrained(scratch)
        tools = tiny_tools(Path(scratch), teacher=dense.module)
        before = logits_of(dense.module, tools.search)
        subject = dense.copy()
        result = runner.apply(subject, config, tools)
        subject.module.eval()
        _say(torch.equal(before, logits_of(dense.module, tools.search)), "apply changed the dense model it was lent")
        _say(subject.structure.is_within(dense.structure), "the structure has what the dense model never had")
        json.dumps([result.state, dict(result.facts)], allow_nan=False)
        bad = [key for key, value in result.facts.items() if not math.isfinite(value)]
        _say(not bad, f"facts are not finite numbers: {bad}")
        tokenizer = result.tokenizer or tools.tokenizer
        search = tiny_split(len(tools.search), 2, tokenizer)
        step = TrailStep(name or pass_class.__name__, "test", config.model_dump(), result.state, result.facts)
        subject.trail = (step,)
        after = logits_of(subject.module, search)
        _say(bool(torch.isfinite(after).all()), "the result's logits are not finite")
        same = subject.is_stock and result.tokenizer is None and bool(torch.equal(before, after))
        _say(not same or bool(result.note), "the pass changed nothing and its note does not say so")
        again = reload(subject, tokenizer)
        gap = float((logits_of(again.module, search) - after).abs().max())
        _say(gap <= TOLERANCE, f"the reloaded model's logits differ by {gap:.2g}")
        _say(again.structure == subject.structure, "the structure changed on its way through a folder")
    return subject


def check_family(family: Family) -> None:
    """Hold a family file to its contract: what is removed by it equals what is masked, and survives saving.

    Raises:
        AssertionError: with the element that differs.
    """
    dense = tiny_subject(family)
    split = tiny_split(24)
    n = dense.structure
    cases: dict[str, Structure] = {
        "attention block": n.without_attention(1),
        "feed-forward block": n.without_ffn(1),
        "whole layer": n.without_attention(0).without_ffn(0),
        "heads": n.without_heads(0, [1]).without_heads(2, [0, 3]),
        "every head": n.without_heads(1, range(n.n_heads)),
        "neurons": n.without_neurons(0, [0, 5, 23]).without_neurons(2, range(12)),
        "every neuron": n.without_neurons(1, range(n.ffn_width)),
        "layer with its norms": n.without_layer(1),
        "last layer with its norms": n.without_layer(2),
    }
    for what, structure in cases.items():
        subject = dense.copy()
        subject.carve(structure)
        expected = _masked_logits(dense, structure, split)
        gap = float((logits_of(subject.module, split) - expected).abs().max())
        _say(gap <= TOLERANCE, f"{what}: removed and masked differ by {gap:.2g}")
        again = reload(subject, tiny_tokenizer())
        gap = float((logits_of(again.module, split) - expected).abs().max())
        _say(gap <= TOLERANCE, f"{what}: reloaded and masked differ by {gap:.2g}")
    if check_first_token(dense.module, family):
        subject = dense.copy()
        subject.carve(Structure(n.layers, n.n_heads, n.ffn_width, first_token_only=True))
        gap = float((logits_of(subject.module, split) - logits_of(dense.module, split)).abs().max())
        _say(gap <= TOLERANCE, f"first token only differs by {gap:.2g}")


def _masked_logits(dense: Subject, structure: Structure, split: Split) -> torch.Tensor:
    """The dense model with outputs zeroed by hooks: what removing has to equal."""
    masked = dense.copy()
    size = masked.family.size(masked.module.config, "hidden") // structure.n_heads
    for layer in masked.layers:
        left = structure.layers[layer.index]
        heads = torch.zeros(structure.n_heads)
        heads[list(left.heads)] = 1
        neurons = torch.zeros(structure.ffn_width)
        neurons[list(left.neurons)] = 1
        layer.attention_out.register_forward_pre_hook(_times(heads.repeat_interleave(size)))
        layer.ffn_out.register_forward_pre_hook(_times(neurons))
        if not left.attention:
            layer.attention_out.register_forward_hook(_nothing)
        if not left.ffn:
            layer.ffn_out.register_forward_hook(_nothing)
        if not left.present:
            layer.module.register_forward_hook(lambda module, args, output: args[0])
    return logits_of(masked.module, split)


def _times(mask: torch.Tensor) -> Callable[..., Any]:
    return lambda module, args: (args[0] * mask,)


def _nothing(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(output)


def _say(kept: bool, clause: str) -> None:
    if not kept:
        raise AssertionError(clause)

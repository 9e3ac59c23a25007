"""Take entries out of a tokenizer and rows out of its embedding; what stays keeps its order."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from axkit import NotApplicable

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from axkit import Split

Json = dict[str, Any]  # of tokenizer.json, whose types the tokenizers library alone knows
Merge = str | Sequence[str]  # of two pieces, with a space between them or apart


def check_words(model: PreTrainedModel) -> None:
    """Refuse a model that looks no words up.

    Raises:
        NotApplicable: its inputs go through something else than an embedding.
    """
    if not isinstance(model.get_input_embeddings(), nn.Embedding):
        raise NotApplicable(f"{type(model).__name__} has no word embeddings that vocab could cut; leave the pass out")


def check_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, kept: Sequence[int]) -> None:
    """Refuse to move a padding id that the model counts positions from, as RoBERTa does.

    Raises:
        NotApplicable: it would move.
    """
    built_in = any(hasattr(m, "padding_idx") and not isinstance(m, nn.Embedding) for m in model.modules())
    pad = tokenizer.pad_token_id
    if built_in and pad is not None and kept.index(pad) != pad:
        raise NotApplicable("vocab would move the padding id, which the model has built in; leave the pass out")


def count_ids(*splits: Split) -> Counter[int]:
    """How often each id occurs in the rows of some splits, as they are tokenized now."""
    counts: Counter[int] = Counter()
    for split in splits:
        for example in split.examples:
            counts.update(example["input_ids"])
    return counts


def smaller_tokenizer(
    tokenizer: PreTrainedTokenizerFast, counts: Mapping[int, int], min_count: int, spell: bool
) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """A tokenizer that knows the kept entries alone, and the ids that these had, ascending.

    Raises:
        NotApplicable: a tokenizer without a file form, or of an unknown model.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise NotApplicable("vocab needs a tokenizer of the tokenizers library; save the model with a fast one")
    data: Json = json.loads(tokenizer.backend_tokenizer.to_str())
    model = data["model"]
    wanted = {index for index, count in counts.items() if count >= min_count}
    wanted |= {token["id"] for token in data["added_tokens"]} | set(tokenizer.all_special_ids)
    if model["type"] in ("WordPiece", "WordLevel"):
        vocabulary: dict[str, int] = model["vocab"]
        prefix = model.get("continuing_subword_prefix") or ""
        if spell and model["type"] == "WordPiece":
            wanted |= {i for piece, i in vocabulary.items() if len(piece.removeprefix(prefix)) == 1}
    elif model["type"] == "BPE":
        vocabulary = model["vocab"]
        wanted |= {i for piece, i in vocabulary.items() if len(piece) == 1}  # the alphabet, without which it fails
        model["merges"] = _merges(model["merges"], vocabulary, wanted)
    elif model["type"] == "Unigram":
        vocabulary = {piece: index for index, (piece, _) in enumerate(model["vocab"])}
        wanted |= {i for piece, i in vocabulary.items() if spell and len(piece.removeprefix("\u2581")) <= 1}
        wanted.add(model["unk_id"])
    else:
        raise NotApplicable(f"vocab does not know tokenizers of type {model['type']}; leave the pass out")
    known = set(vocabulary.values()) | {token["id"] for token in data["added_tokens"]}
    kept = sorted(wanted & known)
    place = {old: new for new, old in enumerate(kept)}
    _renumber(data, vocabulary, place)
    return _rebuilt(tokenizer, data), kept


def _merges(merges: Sequence[Merge], vocabulary: Mapping[str, int], wanted: set[int]) -> list[Merge]:
    """The merges that lead to a wanted piece; the parts they merge become wanted too."""
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in merges]
    made: dict[str, list[tuple[str, ...]]] = {}
    for pair in pairs:
        made.setdefault("".join(pair), []).append(pair)
    pieces = {index: piece for piece, index in vocabulary.items()}
    todo = [pieces[i] for i in wanted if i in pieces]
    seen = set(todo)
    while todo:
        for pair in made.get(todo.pop(), ()):
            todo += [part for part in pair if part not in seen]
            seen.update(pair)
    wanted |= {vocabulary[piece] for piece in seen if piece in vocabulary}
    return [merge for merge, pair in zip(merges, pairs, strict=True) if "".join(pair) in seen]


def _renumber(data: Json, vocabulary: Mapping[str, int], place: Mapping[int, int]) -> None:
    """Give every id of a tokenizer file its new number."""
    model = data["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for index, entry in enumerate(model["vocab"]) if index in place]
        model["unk_id"] = place[model["unk_id"]]
    else:
        model["vocab"] = {piece: place[index] for piece, index in vocabulary.items() if index in place}
    for token in data["added_tokens"]:
        token["id"] = place[token["id"]]
    if data.get("padding"):
        data["padding"]["pad_id"] = place[data["padding"]["pad_id"]]
    _renumber_processor(data.get("post_processor"), place)


def _renumber_processor(processor: Json | None, place: Mapping[int, int]) -> None:
    if not processor:
        return
    for part in processor.get("processors", ()):  # a sequence of them
        _renumber_processor(part, place)
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [place[index] for index in token["ids"]]
    for name in ("sep", "cls"):  # BERT's and RoBERTa's own kinds: [token, id]
        if name in processor:
            processor[name] = [processor[name][0], place[processor[name][1]]]


def _rebuilt(tokenizer: PreTrainedTokenizerFast, data: Json) -> PreTrainedTokenizerFast:
    """Through files, the way the saved one will be read."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        return type(tokenizer).from_pretrained(folder, local_files_only=True)


def keep_rows(model: PreTrainedModel, kept: Sequence[int]) -> int:
    """Keep these rows of the word embedding, in place, and tell the config; returns how many there were."""
    old = model.get_input_embeddings()
    rows = int(old.weight.shape[0])
    if rows == len(kept):
        return rows
    new = nn.Embedding(1, old.weight.shape[1], padding_idx=None, device="meta")
    new.weight = nn.Parameter(old.weight.detach()[torch.tensor(kept)].clone(), requires_grad=old.weight.requires_grad)
    place = {index: number for number, index in enumerate(kept)}
    new.num_embeddings, new.padding_idx = len(kept), place.get(old.padding_idx)
    model.set_input_embeddings(new.train(old.training))
    for name, value in list(vars(model.config).items()):
        if name.endswith("_token_id") and isinstance(value, int):
            setattr(model.config, name, place.get(value))
    model.config.vocab_size = len(kept)
    return rows

"""A tokenizer's files by types and sizes, before transformers or tokenizers see them, and its ids against a model's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.ground.files import MEGABYTE, open_regular, read_object

PIECES = ("spm.model", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model")
OBJECTS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")
TEXTS = ("vocab.txt", "merges.txt", "bpe.codes")
FILES = ("tokenizer.json", *OBJECTS, *TEXTS, *PIECES)
_LARGEST = 512 * MEGABYTE
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", *PIECES)


def check_tokenizer(folder: Path) -> None:
    """Refuse files that make no tokenizer, or one with code of its own.

    Raises:
        CheckpointError: names the file and the way out.
    """
    there = [name for name in FILES if os.path.lexists(folder / name)]
    if not set(there) & set(_VOCABULARIES):
        raise CheckpointError(f"{folder} holds no tokenizer with a vocabulary; save the model's tokenizer there")
    for name in there:
        _check_file(folder / name)
    if "tokenizer.json" in there:
        _raw(folder)
    pieces = [name for name in there if name in PIECES]
    if pieces and not set(there) & {"tokenizer.json", "vocab.txt", "vocab.json"}:
        missing = [name for name in ("sentencepiece", "google.protobuf") if not _installed(name)]
        if missing:
            raise CheckpointError(
                f"the tokenizer in {folder} is {pieces[0]} alone, which needs sentencepiece and protobuf; install them"
            )


def check_vocabulary(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a tokenizer with ids that the embedding has no rows for, as far as its files say it.

    Raises:
        CheckpointError: says both numbers.
    """
    rows, known = config.get("vocab_size"), _ids(folder)
    if rows is not None and known is not None:
        refuse_beyond(folder, known, rows)


def refuse_beyond(folder: Path, known: int, rows: int) -> None:
    """Refuse more ids than rows.

    Raises:
        CheckpointError: says both numbers.
    """
    if known > rows:
        raise CheckpointError(
            f"the tokenizer in {folder} knows {known} ids, the model has {rows} rows of word embeddings; save matching "
            f"ones (after adding tokens: model.resize_token_embeddings(len(tokenizer)))"
        )


def pieces(folder: Path) -> dict[str, int] | None:
    """A tokenizer's pieces and their ids, as far as its files say them; None where only its library knows.

    Raises:
        CheckpointError: as ``check_tokenizer``.
    """
    if not os.path.lexists(folder / "tokenizer.json"):
        return None
    raw = _raw(folder)
    vocabulary = raw["model"]["vocab"]
    if isinstance(vocabulary, list):
        vocabulary = {str(one[0]): index for index, one in enumerate(vocabulary)}
    return {**vocabulary, **{one["content"]: one["id"] for one in raw["added_tokens"]}}


def _ids(folder: Path) -> int | None:
    """1 + the highest id."""
    known = pieces(folder)
    if known is not None:
        return 1 + max(known.values(), default=-1)
    return None


def _check_file(path: Path) -> None:
    if path.name in OBJECTS:
        found = read_object(path, 64 * MEGABYTE)
        if path.name == "tokenizer_config.json":
            _check_settings(found, path)
        elif path.name in ("added_tokens.json", "vocab.json") and not _are_ids(found):
            raise CheckpointError(f"{path} is no object of piece -> id; save the model's tokenizer again")
    elif path.name != "tokenizer.json":
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise CheckpointError(f"{path} is larger than {_LARGEST // MEGABYTE} MB; restore it")


def _check_settings(settings: Mapping[str, Any], path: Path) -> None:
    if settings.get("auto_map"):
        raise CheckpointError(
            f"{path} names code of its own (auto_map), which axkit never runs; save the tokenizer as tokenizer.json "
            f"and leave auto_map off"
        )
    limit, names = settings.get("model_max_length"), settings.get("model_input_names")
    sides = [settings[name] for name in ("padding_side", "truncation_side") if name in settings]
    fault = None
    if limit is not None and not (type(limit) in (int, float) and limit >= 1):
        fault = f"model_max_length is {limit!r:.40}, not a number of tokens"
    elif names is not None and not (
        isinstance(names, list) and "input_ids" in names and all(isinstance(name, str) for name in names)
    ):
        fault = f"model_input_names is {names!r:.60}, not a list with input_ids"
    elif any(side not in ("left", "right") for side in sides):
        fault = "padding_side and truncation_side are 'left' or 'right'"
    elif not isinstance(settings.get("tokenizer_class"), str | None):
        fault = "tokenizer_class is no name"
    if fault is not None:
        raise CheckpointError(f"{path}: {fault}; mend the file or save the tokenizer again")


def _raw(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer.json"
    raw = read_object(path, _LARGEST)
    model, added = raw.get("model"), raw.get("added_tokens", [])
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    listed = isinstance(vocabulary, list) and all(isinstance(one, list) and len(one) == 2 for one in vocabulary)
    tokens = isinstance(added, list) and all(
        isinstance(one, dict) and _is_id(one.get("id")) and isinstance(one.get("content"), str) for one in added
    )
    if not tokens or not (listed or (isinstance(vocabulary, dict) and _are_ids(vocabulary))):
        raise CheckpointError(
            f"{folder} holds no tokenizer that loads: its tokenizer.json has no vocabulary; save the model's tokenizer "
            f"there"
        )
    return {**raw, "added_tokens": added}


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _are_ids(value: Mapping[str, Any]) -> bool:
    return all(_is_id(one) for one in value.values())


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False

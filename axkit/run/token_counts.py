"""How long rows are, for plans: some of them are tokenized. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_ROWS = 256


def mean_tokens(folder: Path, texts: Sequence[tuple[Any, ...]], limit: int, windows: bool = False) -> float | None:
    """Tokens of a row, as the mean over some; None where the folder has no tokenizer that can be asked without torch.

    Args:
        folder: of the model.
        texts: of each row: one or two texts, or its words.
        limit: tokens of an input, at most.
        windows: whether longer rows are several inputs; their tokens then all count.
    """
    tokenizer = whole_rows(folder) if len(texts) else None
    if tokenizer is None:
        return None
    some = [texts[index] for index in range(min(_ROWS, len(texts)))]
    if not all(isinstance(part, str) for text in some for part in text):
        return None
    counts = [len(_encoded(tokenizer, text).ids) for text in some]
    return sum(count if windows else min(count, limit) for count in counts) / len(counts)


def whole_rows(folder: Path) -> Any:
    """A model's tokenizer of one file, which cuts nothing and pads nothing; None where there is none to be had."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    try:
        made = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001  # the library has no class of its own; whoever opens the reader says what is wrong
        return None
    made.no_truncation()
    made.no_padding()
    return made


def _encoded(tokenizer: Any, text: tuple[str, ...]) -> Any:
    return tokenizer.encode(*text) if len(text) <= 2 else tokenizer.encode(list(text), is_pretokenized=True)

"""A pass is lent what it declares and nothing else. Imports no torch."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Any, NoReturn

from axkit.contract.tools import Tools
from axkit.ground.errors import PluginError, did_you_mean, shown

LENT: dict[str, tuple[str, ...]] = {  # field of Tools -> the words of ``needs`` that bring it
    "train": ("train",),
    "search": ("search",),
    "teacher": ("teacher", "dense"),
    "dense_search": ("dense", "search"),
}
WORDS = frozenset(word for words in LENT.values() for word in words)


class NotLent:
    """Stands where something was not declared: it may be handed on, and any use of it is refused.

    Args:
        who: the pass, for messages.
        what: field of Tools.
    """

    def __init__(self, who: str, what: str) -> None:
        self._told = (who, what)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        who, what = self._told
        words = " or ".join(f"'{word}'" for word in LENT[what])
        raise PluginError(
            f"{who} uses tools.{what}, which it did not declare and is not lent; add {words} to its needs, and to what "
            f"needs_of gives"
        )

    __call__ = __len__ = __iter__ = __bool__ = __getitem__ = __contains__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copies and inspections of Tools ask for such
            raise AttributeError(name)
        self._refuse()


def lent(everything: Tools, who: str, needs: Set[str]) -> Tools:
    """What one pass gets of what there is.

    Args:
        everything: of the run.
        who: the pass, for messages.
        needs: what it declares (``Pass.needs_of``).
    """
    missing = {what: NotLent(who, what) for what, words in LENT.items() if not needs & set(words)}
    return replace(everything, **missing)  # type: ignore[arg-type]  # that is the point: it is no such thing


def check_words(who: str, needs: Set[str]) -> None:
    """Refuse words that bring nothing.

    Raises:
        PluginError: with the nearest word.
    """
    for word in sorted(needs - WORDS):
        near = did_you_mean(word, sorted(WORDS))
        raise PluginError(f"{who} needs '{shown(word)}', and there is nothing of that name to be lent{near}")

"""What a word of YAML means: text, a number, true, false or null, by YAML 1.2's core."""

from __future__ import annotations

import math
import re

from axkit.ground.errors import shown

Value = None | bool | int | float | str

LONGEST_NUMBER = 100
PREFIX = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9][0-9_]*\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z|0b[01]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_ODD_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}


class Unfit(Exception):
    """A word that is no plain value; the message is half a sentence, without the place."""


def value_of(text: str, tag: str | None, plain: bool) -> Value:
    """The value of a scalar.

    Args:
        text: as YAML reads it, escapes resolved.
        tag: in full, or None.
        plain: neither quoted nor a block.

    Raises:
        Unfit: an unknown tag, a tag that the text is not, a number that is not finite or longer than bearable.
    """
    name = (tag or "").removeprefix(PREFIX)
    if tag not in (None, "!") and name not in ("str", *_TYPES):
        raise unknown_tag(str(tag))
    if name in ("str", "!") or (not name and not plain):
        return text
    value = _word(text)
    if name and type(value) not in _TYPES[name]:
        raise Unfit(f"'{shown(text)}' is no '!!{name}'; leave the tag off, or mend the value")
    return float(value) if name == "float" and isinstance(value, int) else value


def unknown_tag(tag: str) -> Unfit:
    """The fault of a tag that asks for more than a plain value."""
    return Unfit(f"the tag '{shown(tag.replace(PREFIX, '!!'))}' means nothing here; leave it off")


def _word(text: str) -> Value:
    """Dates, ``1:30``, ``yes`` and ``no`` are text."""
    if text in _WORDS:
        return _WORDS[text]
    whole, number = _INT.match(text), _FLOAT.match(text)
    if (whole or number) and len(text) > LONGEST_NUMBER:
        raise Unfit(f"the number '{shown(text)}' has over {LONGEST_NUMBER} characters; shorten or quote it")
    if whole:
        base = {"0o": 8, "0x": 16, "0b": 2}.get(text[:2], 10)
        return int((text[2:] if base != 10 else text).replace("_", ""), base)
    if not number and not _ODD_FLOAT.match(text):
        return text
    value = float(text.replace("_", "")) if number else math.inf
    if not math.isfinite(value):
        raise Unfit(f"'{shown(text)}' is no finite number; give one, or leave the setting off")
    return value

"""A pydantic fault as one sentence that names the place and the way out."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from axkit.ground.errors import did_you_mean, shown

_WORDS = (
    ("Input should", "should"),
    ("Value error, ", ""),
    ("a valid dictionary or instance of Step", "a mapping"),
    ("a valid dictionary", "a mapping"),
    ("a valid tuple", "a list"),
    ("a valid list", "a list"),
)


def fault_sentence(fault: Any, model: type[BaseModel], where: str, what: str = "") -> str:
    """Word a pydantic fault: place, key, what is wrong, the nearest right name.

    Args:
        fault: one item of ``ValidationError.errors()``.
        model: the model that was validated, for the names it knows.
        where: the place, in words.
        what: the thing that has the keys ("pass 'int8'"), or "".
    """
    location = tuple(fault["loc"])
    key = shown(".".join(str(part) for part in location))
    of = f" of {what}" if what else ""
    if fault["type"] == "extra_forbidden":
        inner = model
        for part in location[:-1]:
            annotation = inner.model_fields[str(part)].annotation if str(part) in inner.model_fields else None
            for one in (annotation, *get_args(annotation)):  # itself, or it or nothing
                if isinstance(one, type) and issubclass(one, BaseModel):
                    inner = one
        known = [f.alias or name for name, f in inner.model_fields.items()]
        return f"{where}: unknown key '{key}'{of}{did_you_mean(str(location[-1]), known)}"
    if fault["type"] == "missing":
        return f"{where}: '{key}'{of} is missing"
    message = str(fault["msg"])
    for theirs, ours in _WORDS:
        message = message.replace(theirs, ours)
    got = "" if isinstance(fault["input"], dict | list) else f" (got {shown(repr(fault['input']))})"
    if not key:  # about several keys at once
        return f"{where}: {what or 'the recipe'}: {message}"
    return f"{where}: '{key}'{of} {message}{got}"

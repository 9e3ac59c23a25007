"""SQuAD's nesting to flat rows of id, question, context, answers (Rajpurkar et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from axkit.tasks.source.origin import Source, brief

_INNER = ("data", "paragraphs", "qas")


def questions_of(source: Source, value: Any, line: int | None = None) -> list[Mapping[str, Any]] | None:
    """The questions of SQuAD's JSON, whole or from its articles or paragraphs down; None for anything else.

    Raises:
        DataError: a part that lacks what the others hang on; it is named by its path.
    """
    if not _is_nested(value) and not (isinstance(value, list) and value and _is_nested(value[0])):
        return None
    return list(_walked(source, value, "", line))


def _is_nested(value: Any) -> bool:
    """True for an object whose one list holds articles, paragraphs or questions."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("data"), list):
        return any(isinstance(one, dict) and ("paragraphs" in one or "qas" in one) for one in value["data"][:1])
    return "paragraphs" in value or ("qas" in value and "context" in value)


def _walked(source: Source, value: Any, path: str, line: int | None) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for place, one in enumerate(value):
            yield from _walked(source, one, f"{path}[{place}]", line)
        return
    if not isinstance(value, dict):
        raise source.fault(f"{path or 'the whole'} is {brief(value)}, no part of SQuAD's JSON; mend it", line)
    inner = next((name for name in _INNER if name in value), None)
    if inner is None or not isinstance(value[inner], list):
        raise _lacks(source, path, " nor ".join(f"'{name}'" for name in _INNER[1:]), line)
    if inner != "qas":
        yield from _walked(source, value[inner], f"{path}.{inner}".lstrip("."), line)
        return
    if "context" not in value:
        raise _lacks(source, path, "'context'", line)
    for place, question in enumerate(value["qas"]):
        yield _row(source, value["context"], question, f"{path}.qas[{place}]".lstrip("."), line)


def _row(source: Source, context: Any, question: Any, path: str, line: int | None) -> Mapping[str, Any]:
    if not isinstance(question, dict):
        raise source.fault(f"{path} is {brief(question)}, not a question; mend it", line)
    if "question" not in question:
        raise _lacks(source, path, "'question'", line)
    answers = question.get("answers", [])
    return {**question, "context": context, "answers": _flat(answers)}


def _flat(answers: Any) -> Any:
    """A list of answers as two lists, which is how flat files hold them; anything else as it is, for the checks."""
    whole = isinstance(answers, list) and all(
        isinstance(one, dict) and {"text", "answer_start"} <= set(one) for one in answers
    )
    if not whole:
        return answers
    return {name: [one[name] for one in answers] for name in ("text", "answer_start")}


def _lacks(source: Source, path: str, what: str, line: int | None) -> Exception:
    return source.fault(f"it is not SQuAD's JSON ({path or 'the whole'} has no {what}); mend the file", line)

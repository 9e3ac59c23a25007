"""CoNLL: a word a line, its columns parted by tabs or white space, an empty line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from axkit.tasks.source.lines import text_lines
from axkit.tasks.source.origin import Source, one_line

_BLANKS = re.compile(r"[ \t]+")  # U+00A0 and its like are characters of words
_MANY = 1000  # last fields that are remembered
_MARKS = ("-DOCSTART-", "#begin document", "#end document")


@dataclass(frozen=True)
class _Form:
    """How a file is written: parted by tabs or not, columns of a line, last fields of lines that are no comments."""

    tabbed: bool
    width: int
    lasts: frozenset[str]

    def fields(self, line: str) -> list[str]:
        bare = line.rstrip("\r\n")
        if not bare.strip(" \t"):
            return []
        return [field.strip(" ") for field in bare.split("\t")] if self.tabbed else _BLANKS.split(bare.strip(" \t"))


def read_conll(source: Source) -> Iterator[dict[str, Any]]:
    """A row for each sentence: the wanted columns, each a list of its words' fields.

    The columns are called as the task's ``header`` says, else ``words``, by number, and ``tags`` for the last.
    Lines that begin with # and are not of the file's width are comments.

    Raises:
        DataError: a line of another width, an empty field, a comment that may be a word, a column that is not there.
    """
    form = _looked_through(source)
    names = list(source.header or ["words", *(str(i) for i in range(1, form.width - 1)), "tags"][: form.width])
    named = source.spec.header is True
    sentence: list[list[str]] = []
    for number, line in text_lines(source):
        fields = form.fields(line)
        if fields and _is_comment(source, form, number, line, fields):
            continue
        if not fields or line.startswith(_MARKS):
            if sentence:
                yield _row(source, names, sentence)
            sentence = []
        elif named:
            names, named = fields, False
        else:
            _check(source, names, number, fields)
            sentence.append(fields)
    if sentence:
        yield _row(source, names, sentence)


def _looked_through(source: Source) -> _Form:
    """Tabs part the columns where the file has any, unless the task's ``sep`` says otherwise."""
    wanted = source.sep
    tabbed = wanted == "\t" or (wanted is None and any("\t" in line.strip() for line in _real_lines(source)))
    form, width, lasts = _Form(tabbed, 0, frozenset()), 0, set[str]()
    for line in _real_lines(source):
        fields = form.fields(line)
        width = width or len(fields)
        if len(lasts) < _MANY:
            lasts.add(fields[-1])
    return _Form(tabbed, len(source.header) if source.header else width, frozenset(lasts))


def _real_lines(source: Source) -> Iterator[str]:
    for _, line in text_lines(source):
        if line.strip(" \t\r\n") and not line.startswith(("#", *_MARKS)):
            yield line


def _is_comment(source: Source, form: _Form, number: int, line: str, fields: Sequence[str]) -> bool:
    if not line.startswith("#") or line.startswith(_MARKS):
        return False
    if len(fields) != form.width:
        return True
    if not form.tabbed and fields[0].strip("#") == "" and fields[-1] not in form.lasts:
        word, tag = one_line(fields[0]), one_line(fields[-1])
        raise source.fault(
            f"it may be a comment, or the word {word} with the tag {tag}; take it out, or part the columns by tabs",
            number,
        )
    return False


def _check(source: Source, names: Sequence[str], number: int, fields: Sequence[str]) -> None:
    if len(fields) != len(names):
        raise source.fault(
            f"{len(fields)} columns where {len(names)} are wanted; mend the line, or the task's 'header' or 'sep'",
            number,
        )
    for name, field in zip(names, fields, strict=True):
        if not field and name in source.columns:
            raise source.fault("it is empty; fill it in, or take the line out", number, column=name)


def _row(source: Source, names: Sequence[str], sentence: Sequence[Sequence[str]]) -> dict[str, Any]:
    if not set(source.columns) <= set(names):
        raise source.no_column(names, "; name them by the task's 'header'")
    places = {name: place for place, name in enumerate(names)}
    return {name: [word[places[name]] for word in sentence] for name in source.columns}

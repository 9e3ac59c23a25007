"""The texts of a row: whatever is wrong with them is one sentence that names the row. Imports no torch."""

from __future__ import annotations

from axkit.ground.errors import DataError
from axkit.tasks.source.origin import brief
from axkit.tasks.spec import Row, TaskSpec


def texts_of(spec: TaskSpec, row: Row, where: str) -> tuple[str, ...]:
    """The texts of a row; a ``where`` names it in messages."""
    text = tuple(row.get(column) for column in spec.columns)
    for column, part in zip(spec.columns, text, strict=True):
        if not isinstance(part, str) or not part.strip():
            way = "fill it" if part is None or isinstance(part, str) else "write it as text"
            raise DataError(f"{where}: '{column}' holds no text ({brief(part)}); {way} or drop the row")
        if not is_unicode(part):
            raise DataError(f"{where}: '{column}' holds half a character ({part!r:.60}); mend or drop the row")
    return text  # type: ignore[return-value]  # checked just above


def is_unicode(text: str) -> bool:
    """False where a surrogate stands alone, which neither Arrow nor a tokenizer takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

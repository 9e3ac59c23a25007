"""Parquet: the wanted columns, batch by batch, as text, numbers, lists and objects."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from axkit.ground.errors import DataError
from axkit.tasks.source.origin import Source

_BATCH = 256  # rows; they may be images


def read_parquet(source: Source) -> Iterator[dict[str, Any]]:
    """Rows of the wanted columns.

    Categories are their values, decimals floats, binary columns the UTF-8 text that they hold; images stay bytes.

    Raises:
        DataError: no Parquet, a column that is not there, one of a type that is no cell (dates, maps), text that is not
            UTF-8.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        with pq.ParquetFile(str(source.path)) as file:
            schema = file.schema_arrow
            _check_columns(source, schema)
            for batch in file.iter_batches(_BATCH, columns=list(source.columns), use_threads=False):
                columns = [_values(source, name, batch.column(name), row) for name in source.columns]
                row += batch.num_rows
                for values in zip(*columns, strict=True):
                    yield dict(zip(source.columns, values, strict=True))
    except DataError:
        raise
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, MemoryError, pa.ArrowException) as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise source.fault(f"it is not valid parquet ({cause:.160}); mend the file", row=row or None) from None


def _check_columns(source: Source, schema: Any) -> None:
    names = list(schema.names)
    if not set(source.columns) <= set(names):
        raise source.no_column(names)
    for name in source.columns:
        if names.count(name) > 1:
            raise source.fault(f"{names.count(name)} columns are called so; rename all but one", column=name)
        kind = schema.field(name).type
        if not _is_cell(kind):
            raise source.fault(f"it holds {kind}; write text, numbers, or lists of them", column=name)


def _is_cell(kind: Any) -> bool:
    """True for types whose values mean the same in JSON."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_cell(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_cell(kind.value_type)
    if types.is_struct(kind):
        return all(_is_cell(kind.field(i).type) for i in range(kind.num_fields))
    plain = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return _is_text(kind) or any(of(kind) for of in plain)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    texts = (types.is_string, types.is_large_string, types.is_string_view)
    raw = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(of(kind) for of in (*texts, *raw))


def _values(source: Source, name: str, column: Any, before: int) -> list[Any]:
    """The values of a batch's column as Python has them."""
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        raise source.fault(
            f"one of the next {len(column)} texts is not UTF-8; mend it", row=before + 1, column=name
        ) from None
    if name == source.spec.image:
        return [{"bytes": value, "path": None} if isinstance(value, bytes) else value for value in values]
    if any(isinstance(value, bytes | Decimal | list | dict) for value in values):
        return [_plain(source, name, value, before + place) for place, value in enumerate(values, 1)]
    return values  # type: ignore[no-any-return]


def _plain(source: Source, name: str, value: Any, row: int) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise source.fault("its bytes are no UTF-8 text; write text", row=row, column=name) from None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [_plain(source, name, one, row) for one in value]
    if isinstance(value, dict):
        return {key: _plain(source, name, one, row) for key, one in value.items()}
    return value

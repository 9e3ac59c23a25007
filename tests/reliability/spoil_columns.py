"""Columns of a Parquet file as other types."""

from __future__ import annotations

import datetime
import decimal
import random
from pathlib import Path


def spoil_columns(rng: random.Random, path: Path) -> str:
    """One of them, sometimes twice there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    name = rng.choice(table.column_names)
    count = table.num_rows
    texts = [f"word {i % 3}" for i in range(count)]
    made = {
        "category": lambda: pa.array(texts).dictionary_encode(),
        "binary": lambda: pa.array([text.encode() for text in texts]),
        "not utf-8": lambda: pa.array([b"\xff" + text.encode() for text in texts]),
        "false utf-8": lambda: pa.array([b"\xff" + text.encode() for text in texts]).view(pa.string()),
        "timestamp": lambda: pa.array([datetime.datetime(2026, 1, 1 + i % 3) for i in range(count)]),
        "date": lambda: pa.array([datetime.date(2026, 1, 1 + i % 3) for i in range(count)]),
        "decimal": lambda: pa.array([decimal.Decimal(i % 3) for i in range(count)]),
        "struct": lambda: pa.array([{"a": i} for i in range(count)]),
        "map": lambda: pa.array([[("a", i)] for i in range(count)], pa.map_(pa.string(), pa.int64())),
        "lists": lambda: pa.array([[i % 2, 1] for i in range(count)]),
        "fixed lists": lambda: pa.array([[i % 2, 1] for i in range(count)], pa.list_(pa.int64(), 2)),
        "deep": lambda: pa.array([[[[i]]] for i in range(count)]),
        "null": lambda: pa.nulls(count),
        "bool": lambda: pa.array([bool(i % 2) for i in range(count)]),
        "float": lambda: pa.array([float(i % 2) for i in range(count)]),
        "half": lambda: pa.array([float(i % 2) for i in range(count)]).cast(pa.float16()),
        "nan": lambda: pa.array([float("nan")] * count),
        "int8": lambda: pa.array([i % 2 for i in range(count)], pa.int8()),
        "uint64": lambda: pa.array([2**64 - 1 - i % 2 for i in range(count)], pa.uint64()),
        "large text": lambda: pa.array(texts, pa.large_string()),
        "view": lambda: pa.array(texts).cast(pa.string_view()),
        "duration": lambda: pa.array([datetime.timedelta(i) for i in range(count)]),
    }
    way = rng.choice(list(made))
    place = table.column_names.index(name)
    table = table.set_column(place, name, made[way]())
    if rng.random() < 0.1:
        table = table.append_column(name, table.column(name))
    pq.write_table(table, path, row_group_size=rng.choice((5, 100)), compression=rng.choice(("snappy", "none", "gzip")))
    return f"{path.name}: '{name}' is {way}"

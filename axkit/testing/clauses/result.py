"""What a pass gives back, and what it says of itself in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from axkit.anatomy.structure import Structure
from axkit.contract.result import Result
from axkit.ground.errors import shown
from axkit.run import obligations, results
from axkit.testing.applied import Twice, tensors_of
from axkit.testing.clauses.base import clause

_UNITS = frozenset({"s", "ms", "us", "nats", "bits", "bytes", "ratio", "percent", "points", "loss", "score", "celsius"})
_SHARE = 0.01  # by which a number of bytes may be off: of scales and the like it is open what counts


@clause("result", "apply returns an axkit.Result: a note and tables of plain values; subject.reader is a reader.")
def result(twice: Twice) -> Iterator[str]:
    """Its form; state and facts have clauses of their own."""
    found = twice.first.result
    if not isinstance(found, Result):
        yield from results.result_faults(found)
        return
    plain = Result(note=found.note, tables=found.tables, tokenizer=found.tokenizer)
    yield from results.result_faults(plain)
    first = twice.first
    yield from obligations.reader_faults(first.subject.reader, first.dense.reader, first.runner)


@clause("state", "Its state is a JSON object, or None.")
def state(twice: Twice) -> Iterator[str]:
    """What restore gets comes from a file."""
    yield from results.state_faults(twice.first.result)


@clause("facts", "Its facts are finite numbers.")
def facts(twice: Twice) -> Iterator[str]:
    """The report prints them."""
    yield from results.fact_faults(twice.first.result)


@clause("units", "The name of each fact says its unit, or what is counted: search_s, weights_bytes, removed_heads.")
def units(twice: Twice) -> Iterator[str]:
    """A unit, or a plural."""
    for name in twice.first.result.facts:
        words = name.split("_")
        if not any(word in _UNITS or (len(word) > 2 and word.endswith("s")) for word in words):
            yield f"returned fact '{shown(name)}', whose name has no unit; name it as search_s or removed_heads"


@clause("bytes", "Facts that say how many bytes the weights take (weights_bytes, ...) are true.")
def claimed_bytes(twice: Twice) -> Iterator[str]:
    """Against the bytes of every tensor that is saved."""
    found, first = twice.first.result.facts, twice.first
    measured = {
        "weights_before_bytes": _bytes(tensors_of(first.dense.module)),
        "weights_after_bytes": _bytes(tensors_of(first.subject.module)),
        "weights_bytes": _bytes(tensors_of(first.subject.module)),
    }
    for name, wanted in measured.items():
        if name in found and abs(found[name] - wanted) > _SHARE * wanted:
            yield f"returned {name} {found[name]:g} and the weights take {wanted}; count the tensors that are saved"


def _bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    """Of all tensors, those once that share their memory."""
    own = {(one.data_ptr() or name, one.numel()): one for name, one in tensors.items()}
    return sum(one.numel() * one.element_size() for one in own.values())


@clause("counts", "Facts that say what was removed (removed_heads, removed_neurons, removed_layers) are true.")
def counts(twice: Twice) -> Iterator[str]:
    """Against the structures before and after."""
    before, after = twice.first.dense.structure, twice.first.subject.structure
    for name, wanted in _removed(before, after).items():
        found = twice.first.result.facts.get(name)
        if found is not None and found != wanted:
            yield f"returned {name} {found:g} and the structure has lost {wanted}; count them in the structure"


def _removed(before: Structure, after: Structure) -> dict[str, Any]:
    pairs = list(zip(before.layers, after.layers, strict=True))
    return {
        "removed_heads": sum(len(a.heads) - len(b.heads) for a, b in pairs),
        "removed_neurons": sum(len(a.neurons) - len(b.neurons) for a, b in pairs),
        "removed_layers": sum(a.present - b.present for a, b in pairs),
    }


RESULT = (result, state, facts, units)
CLAIMS = (claimed_bytes, counts)

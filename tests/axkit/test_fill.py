"""How many rows at a time keep a device busy: of timings that are made up, as what a GPU does cannot be had here."""

from __future__ import annotations

import pytest

from axkit.anatomy.family import family_of
from axkit.ground.errors import DeviceError, MemoryFullError
from axkit.ground.stopwatch import Taken
from axkit.ground.target import Target
from axkit.measure import fill
from axkit.measure.inputs import Inputs, real_batch
from axkit.measure.speed import relative_speed
from axkit.testing import tiny_split, tiny_subject


@pytest.fixture
def device(monkeypatch, tmp_path):
    """A device of which we say how long it takes: so long for a launch, so long for each row, so many rows at most."""
    asked = []
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path / "cache"))

    def of(launch_s, row_s, most=10**6):
        def taken(_, module, args, kwargs):
            rows = len(kwargs["input_ids"])
            asked.append(rows)
            if rows > most:
                raise MemoryFullError("full")
            return Taken(max(launch_s, rows * row_s), launch_s)

        monkeypatch.setattr(fill.stopwatch, "taken", taken)
        return asked

    return of


@pytest.mark.parametrize(
    ("launch_s", "row_s", "batch", "bound"),
    [(1e-3, 1e-3, 32, False), (64e-3, 1e-3, 64, True), (100e-3, 1e-3, 128, False), (1e3, 1e-3, 4096, True)],
)
def test_the_fewest_rows_that_keep_it_busy(device, launch_s, row_s, batch, bound):
    asked = device(launch_s, row_s)
    subject = tiny_subject(family_of("bert"))
    found = fill.filled(subject.body, tiny_split(24), Target())
    assert (found.batch, found.bound_by_launches) == (batch, bound)
    assert found.per_s == pytest.approx(batch / max(launch_s, batch * row_s))
    assert found.few_per_s == pytest.approx(32 / max(launch_s, 32 * row_s))
    assert max(asked) <= max(4096, 4 * batch)


def test_what_was_seen_once_is_kept(device):
    """A run that goes on gets the number it had, whatever the clock says now: stages are kept by it."""
    subject = tiny_subject(family_of("bert"))
    device(64e-3, 1e-3)
    first = fill.filled(subject.body, tiny_split(24), Target())
    asked = device(1e3, 1e-3)
    asked.clear()
    assert fill.filled(subject.body, tiny_split(24), Target()) == first
    assert not asked
    assert fill.filled(subject.body, tiny_split(30), Target()).batch == 4096, "other rows are another matter"


def test_where_memory_ends_it_is_as_many_as_fit(device):
    device(1e3, 1e-3, most=300)
    subject = tiny_subject(family_of("bert"))
    assert fill.filled(subject.body, tiny_split(24), Target()).batch == 256
    device(1e3, 1e-3, most=20)
    subject = tiny_subject(family_of("distilbert"))
    with pytest.raises(DeviceError):
        fill.filled(subject.body, tiny_split(24), Target())


def test_a_number_that_is_settled_is_only_looked_at(device):
    asked = device(1.0, 1e-3)
    found = fill.filled(tiny_subject(family_of("bert")).body, tiny_split(24), Target(), 8)
    assert (found.batch, found.bound_by_launches) == (8, True)
    assert set(asked) == {32, 8}


def test_rows_come_again_where_there_are_fewer_than_a_batch_has():
    rows = tiny_split(5)
    assert real_batch(rows, 12, 3).rows.tolist() == [3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    small = Inputs.of(rows, size=12)
    assert [len(one["input_ids"]) for one in small.batches] == [12]
    assert small.rows == 12
    large = Inputs.of(tiny_split(30), size=12)
    assert [len(one["input_ids"]) for one in large.batches] == [12, 12], "whole ones alone"
    subject = tiny_subject(family_of("bert"))
    assert relative_speed(subject.module, subject.module, rows, rows=12) > 0

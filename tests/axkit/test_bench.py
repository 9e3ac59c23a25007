"""``axkit bench``: what it times, what it claims, and what it says of the machine. No test goes by a clock."""

from __future__ import annotations

import json
import os

import pytest
import torch
from conftest import folder_of, write_images, write_trained_model

from axkit.finished import bench as finished
from axkit.finished.bench import Wanted, bench_folders
from axkit.finished.footprint import memory_bytes
from axkit.ground.processor import Processor
from axkit.measure.pinned import pinned
from axkit.measure.scenarios import Answered, Middle, Scenario, usual
from axkit.measure.serving import Feed, Pace, serve
from axkit.measure.speed import peak_memory_bytes

SHORT = ("--batch", "1,4", "--tokens", "8,16,999", "--rounds", "6", "--seconds", "0", "--no-memory")


def test_scenarios_are_what_they_are_called():
    rows = [5, 3, 9, 1, 7]
    assert Scenario(2).lengths(rows) == [[5, 3], [9, 1], [7]]
    assert Scenario(2, "sorted").lengths(rows) == [[1, 3], [5, 7], [9]]
    assert Scenario(2, "fixed", 128).lengths(rows) == [[128, 128]]
    assert Scenario(1).lengths(range(1, 97)) == [[length] for length in range(1, 33)]
    assert [one.name for one in usual((32, 1), (128,))] == ["b1", "b32", "b32 sorted", "b32 x 128"]


@pytest.mark.parametrize(
    ("count", "left"),
    [(5, None), (6, 0), (8, 0), (9, 1), (15, 3), (25, 7)],  # tables of the sign test, two-sided 5 %
)
def test_a_median_has_the_interval_of_the_sign_test(count, left):
    values = [float(one) for one in range(count)]
    found = Middle.of(values[::-1])
    assert found.value == (count - 1) / 2
    expected = (None, None) if left is None else (values[left], values[count - 1 - left])
    assert (found.low, found.high) == expected


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([1.1, 1.2, 1.3, 1.1, 1.2, 1.4], "faster"),
        ([1.1, 1.2, 1.3, 0.99, 1.2, 1.4], "no faster"),
        ([0.9] * 6, "slower"),
        ([2.0] * 5, "no faster"),
    ],
)
def test_faster_is_said_where_the_interval_supports_it(times, said):
    one = Answered(Scenario(1), (1.0, 1.0, 1.0), Middle.of([1.0]), None, 1.0, Middle.of(times))
    assert one.verdict == said
    assert one.to_json()["verdict"] == said


class Slow(torch.nn.Module):
    """Counts its calls, and waits before an answer to a shape that it has not seen."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.seen, self.calls = clock, set(), 0

    def forward(self, input_ids, **_):
        self.calls += 1
        self.clock.now += 1.0 if input_ids.shape in self.seen else 10.0
        self.seen.add(input_ids.shape)


def test_what_is_new_to_a_model_is_told_apart(monkeypatch):
    class Clock:
        now = 0.0

    clock = Clock()
    monkeypatch.setattr("axkit.ground.stopwatch.time.perf_counter", lambda: clock.now)
    models = [Slow(clock), Slow(clock)]
    scenarios = usual((1, 2), ())
    rows = [3, 5, 4]
    feeds = {one: [Feed.of_tokens(one.lengths(rows), ["input_ids"], 9)] * 2 for one in scenarios}
    cold, found = serve(models, feeds, Pace(rounds=6))
    assert cold == [10_000.0, 10_000.0]
    single, batch, ordered = found[1]
    assert single.inputs_per_s == Middle(1.0, 1.0, 1.0)
    assert single.tokens_per_s == 4.0
    assert single.first_pass_per_s == 3 / 21  # the first of its shapes was the first call
    assert batch.first_pass_per_s == 3 / 11  # a last batch of one row of 4 tokens is known
    assert ordered.first_pass_per_s == 3 / 11  # (2, 4) is new, (1, 5) is not
    assert batch.call_ms == (1000.0, 1000.0, 1000.0)
    assert single.times == Middle(1.0, 1.0, 1.0)
    assert single.verdict == "no faster"
    assert found[0][0].times is None
    assert models[0].calls == 1 + 7 * (3 + 2 + 2)


def test_rounds_end_by_time_but_not_before_an_interval_is_there(monkeypatch):
    monkeypatch.setattr("axkit.measure.serving.time.monotonic", iter(range(0, 10_000, 100)).__next__)
    model = torch.nn.Identity()
    calls = []
    model.forward = lambda input_ids: calls.append(1)
    feed = Feed.of_tokens([[4]], ["input_ids"], 9)
    serve([model], {Scenario(1): [feed]}, Pace(rounds=50, seconds=1.0))
    assert len(calls) == 1 + 1 + 6


def test_folders_are_timed_together(run, tmp_path):
    for name in ("one", "two"):
        write_trained_model(tmp_path / name)
    code, out, err = run("bench", str(tmp_path / "one"), str(tmp_path / "two"), *SHORT, "--json", "--threads", "1")
    assert code == 0, err
    told = json.loads(out)
    assert told["reference"] == str(tmp_path / "one")
    assert [model["folder"] for model in told["models"]] == [str(tmp_path / "one"), str(tmp_path / "two")]
    first, second = (model["scenarios"] for model in told["models"])
    assert [one["scenario"] for one in first] == ["b1", "b4", "b4 sorted", "b4 x 8", "b4 x 16"]
    assert "times" not in first[0]
    assert all(one["times"] > 0 and one["call_ms_p50"] <= one["call_ms_p99"] for one in second)
    assert told["left_out"] == ["rows of 999 tokens: a model takes 60 at most"]
    assert told["conditions"]["threads"] == 1
    assert told["conditions"]["pinned"] == hasattr(os, "sched_setaffinity")
    assert told["models"][0]["disk_bytes"] == sum(path.stat().st_size for path in (tmp_path / "one").iterdir())
    assert told["models"][0]["memory_bytes"] is None

    code, out, _ = run("bench", str(tmp_path / "one"), "--against", str(tmp_path / "two"), *SHORT)
    assert code == 0
    assert "beside A" in out
    assert f"Beside {tmp_path / 'two'}" in out
    assert Processor.here().name.split()[0] in out


def test_memory_is_that_of_a_process_of_its_own(tmp_path):
    write_trained_model(tmp_path / "one")
    found = bench_folders([tmp_path / "one"], Wanted(batches=(1,), tokens=(), rounds=1))
    assert found.models[0].memory_bytes > 50e6, "Python with torch takes more than that"
    ballast = bytearray(os.urandom(1 << 20)) * 400
    assert memory_bytes(tmp_path / "one", 1, 8, 1) < peak_memory_bytes() - len(ballast) / 2, "not this process's own"


def test_a_process_that_fails_is_one_sentence(run, tmp_path, monkeypatch):
    write_trained_model(tmp_path / "one")
    monkeypatch.setattr("axkit.finished.footprint.sys.executable", "/bin/false")
    code, _, err = run("bench", str(tmp_path / "one"), *SHORT[:-1])
    assert code == 2
    assert "exit code 1; leave memory out with --no-memory" in err


def test_images_have_no_lengths(run, tmp_path):
    folder_of(tmp_path / "vit", head="ImageClassification", family="vit")
    write_images(tmp_path / "pictures", 2)
    code, out, err = run("bench", str(tmp_path / "vit"), *SHORT, "--json")
    assert code == 0, err
    (model,) = json.loads(out)["models"]
    assert [(one["scenario"], one["tokens_per_s"]) for one in model["scenarios"]] == [("b1", None), ("b4", None)]
    write_trained_model(tmp_path / "text")
    code, _, err = run("bench", str(tmp_path / "vit"), str(tmp_path / "text"), *SHORT)
    assert code == 2
    assert "does not read what" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--batch", "1,x"), "--batch '1,x' is no list of whole numbers"),
        (("--batch", ""), "--batch '' is no list"),
        (("--tokens", "0"), "--tokens '0' is no list"),
        (("--threads", "4096"), "--threads 4096 is more than the"),
    ],
)
def test_what_cannot_be_timed_is_refused(run, tmp_path, options, said):
    write_trained_model(tmp_path / "one")
    code, _, err = run("bench", str(tmp_path / "one"), *options)
    assert code == 2
    assert said in err


def test_threads_are_put_back():
    before, cores = torch.get_num_threads(), os.sched_getaffinity(0)
    with pinned(1) as held:
        assert held
        assert torch.get_num_threads() == 1
        assert len(os.sched_getaffinity(0)) == 1
    assert (torch.get_num_threads(), os.sched_getaffinity(0)) == (before, cores)
    with pinned(None) as held:
        assert not held


def test_the_processor_says_whether_it_sums_bytes_in_32_bits(tmp_path, monkeypatch):
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr("axkit.ground.processor._CPUINFO", told)
    for flags, expected in (("fpu avx2 smep", False), ("avx2 avx512_vnni", True), ("", None)):
        told.write_text(f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
        here = Processor.here()
        assert here.name == "Some CPU"
        assert here.sums_in_32_bits is expected
        assert "smep" not in here.flags
    told.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert Processor.here().sums_in_32_bits
    told.unlink()
    assert Processor.here().sums_in_32_bits is None
    assert finished.Wanted().batches == (), "1, 8, 32 and the target's, once that is known"

"""What a plan foretells of its searches."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from axkit.anatomy.family import family_of
from axkit.axformer.prune import AxformerPrune
from axkit.cli.planned import show_plan
from axkit.contract.passes import Workload
from axkit.ground.errors import StorageError
from axkit.run import forecast
from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.tasks.split import Split
from axkit.testing import lend, tiny_subject

MNLI = Workload({"train": 340_000, "search": 58_904, "test": 9_815}, 128, False, 12, 768, 3072, heads=12)


@pytest.fixture
def made(workplace):
    return plan(load_source(workplace / "recipe.yaml"))


def test_tokens_are_those_that_the_reader_makes(made):
    from axkit.runtimes.torch.opening import open_reader
    from axkit.tasks.kinds.known import KINDS

    (found, *_), rows = made.forecasts(), made.rows.splits["search"]
    reader, spec = open_reader(made.model_folder, made.family), made.task.spec
    lengths = Split(rows, spec, KINDS[spec.kind], reader, made.given.workload().tokens).lengths
    assert found.counted
    assert found.work.rows == len(rows) <= 256, "premise: every row is counted"
    assert found.tokens == len(rows) * round(float(lengths.mean()))
    assert found.hours.gflops > 0
    assert 0 < found.hours.least <= found.hours.most


def test_without_a_tokenizer_file_each_row_has_as_many_as_it_may(made, monkeypatch):
    monkeypatch.setattr(forecast, "mean_tokens", lambda *_: None)
    found = made.forecasts(timed=False)[0]
    assert not found.counted
    assert found.tokens == found.work.rows * made.given.workload().tokens
    assert found.hours is None
    assert "at most" in found.told()


def test_a_search_looks_at_no_more_candidates_than_it_foresees(tmp_path):
    tools, subject = lend(tmp_path, rows=60), tiny_subject(family_of("bert"), 1)
    config = AxformerPrune.Config(vote=0.1, tolerance=1.0, groups=4, search_rows=40)
    layers, heads = len(subject.structure.layers), subject.structure.n_heads
    work = Workload({"search": 60}, 20, False, layers, 32, subject.structure.ffn_width, heads=heads)
    foreseen = AxformerPrune().foresee_search(config, work)
    facts = AxformerPrune().apply(subject, config, tools).facts
    least, most = foreseen.candidates
    assert least <= len(tools.journal.read()) <= most
    assert (foreseen.rows, foreseen.fresh_rows) == (facts["chosen_on_rows"], facts["fresh_rows"])


def test_a_large_task_takes_no_76_gigabytes():
    found = AxformerPrune().foresee_search(AxformerPrune.Config(), replace(MNLI, tokens=39))
    assert (found.rows, found.fresh_rows) == (4096, 4096)
    assert found.candidates == (24, 312)
    assert 5e9 < found.cache_bytes < 9e9
    assert 0 < found.file_bytes < found.cache_bytes
    budget = AxformerPrune().foresee_search(AxformerPrune.Config(objective="budget", speedup=2.0), MNLI)
    assert (budget.rows, budget.fresh_rows, budget.candidates) == (512, 0, (96, 384))
    assert 1.4e9 < budget.matrix_bytes < 2.2e9
    bare = AxformerPrune().foresee_search(AxformerPrune.Config(objective="budget", speedup=2.0, mend=False), MNLI)
    assert (bare.candidates, bare.matrix_bytes) == (None, 0)


def test_a_table_has_no_more_levels_than_are_foreseen(tmp_path):
    subject = tiny_subject(family_of("bert"), 1)
    tools = lend(tmp_path, teacher=subject.copy().module, rows=60)
    config = AxformerPrune.Config(objective="budget", speedup=1.2, max_drop=100.0)
    layers, heads = len(subject.structure.layers), subject.structure.n_heads
    work = Workload({"train": 60, "search": 60}, 20, False, layers, 32, subject.structure.ffn_width, heads=heads)
    foreseen = AxformerPrune().foresee_search(config, work)
    facts = AxformerPrune().apply(subject, config, tools).facts
    assert 0 < facts["evaluations"] <= foreseen.candidates[1]


def test_what_the_disk_has_no_room_for_is_refused_before_anything_runs(workplace, monkeypatch):
    made = plan(load_source(workplace / "recipe.yaml", ("passes.1.cache_gib=0",)))
    first = made.forecasts(timed=False)[0]
    assert first.room.file_bytes, "premise: there are files"
    assert first.warning() == ""
    usage = namedtuple("usage", "free")

    def shown(free):
        monkeypatch.setattr(forecast.shutil, "disk_usage", lambda _: usage(free))
        out = StringIO()
        show_plan(made, Console(file=out, width=400))
        return out.getvalue()

    assert "may not fit" in shown(first.room.file_bytes)
    made.read()  # they may fit
    assert "will not fit" in shown(first.room.file_bytes - 1)
    with pytest.raises(StorageError, match="pass 1 'hard_attention': the hidden states will not fit"):
        made.read()


def test_the_record_is_plain(made):
    found = made.forecasts()[0].to_json()
    assert found["fits"] is True
    assert found["work"]["candidates"][0] <= found["work"]["candidates"][1]
    assert set(found["hours"]) == {"least", "most", "gflops"}

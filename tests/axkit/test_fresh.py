"""A search on more rows than it takes: chosen on some, confirmed on others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from axkit.anatomy.family import family_of
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.axformer.settings import chosen_on
from axkit.tasks.samples import Samples
from axkit.tasks.source import rows as source
from axkit.tasks.spec import Task, TaskSpec
from axkit.testing import lend, tiny_subject

SETTINGS = {"vote": 0.2, "tolerance": 0.3, "groups": 3}


def lines_of(folder, rows, **settings):
    tools = lend(folder, rows=rows, family=family_of("bert"))
    result = AxformerPrune().apply(tiny_subject(family_of("bert"), 1), AxformerPrune.Config(**settings), tools)
    return tools, tools.journal.read(), result.facts


@pytest.mark.parametrize(
    ("rows", "most", "chosen"),
    [(800, 4096, 800), (4096, 4096, 4096), (4097, 4096, 3277), (58900, 4096, 4096), (2, 1, 1)],
)
def test_a_fifth_at_least_is_left_to_confirm_on(rows, most, chosen):
    assert chosen_on(rows, most) == chosen


def test_it_looks_at_the_first_rows_alone_and_confirms_on_the_next(tmp_path):
    few = lend(tmp_path / "few", rows=90, family=family_of("bert"))
    few = replace(few, search=few.search.first(30))
    AxformerPrune().apply(tiny_subject(family_of("bert"), 1), AxformerPrune.Config(**SETTINGS), few)
    _, lines, facts = lines_of(tmp_path / "some", 90, search_rows=30, **SETTINGS)
    alone = few.journal.read()
    first = next(number for number, line in enumerate(lines) if line["accepted"] != alone[number]["accepted"])
    drop = {"seconds": 0, "fresh": None, "accepted": None, "best": None}
    assert [{**line, **drop} for line in lines[: first + 1]] == [{**line, **drop} for line in alone[: first + 1]]
    assert alone[first]["accepted"], "only what was chosen is held against other rows"
    assert {line["samples"] for line in lines} == {30}
    assert (facts["chosen_on_rows"], facts["fresh_rows"]) == (30, 30)
    asked = [line for line in lines if "fresh" in line]
    assert all("fresh" in line for line in lines if line["accepted"])
    assert facts["not_confirmed"] == sum(not line["accepted"] for line in asked) > 0
    confirmed = [line["fresh"] for line in asked if line["accepted"]]
    assert confirmed, "premise: something was confirmed"
    assert facts["fresh_loss_after_nats"] == min([facts["fresh_loss_before_nats"], *confirmed])


def test_what_is_confirmed_has_that_loss_on_those_rows(tmp_path):
    """The last one confirmed, by a plain evaluation of the whole split."""
    tools = lend(tmp_path, rows=60, family=family_of("bert"))
    subject = tiny_subject(family_of("bert"), 1)
    before = tools.search.evaluate(subject.module).losses[20:40].mean()
    facts = AxformerPrune().apply(subject, AxformerPrune.Config(search_rows=20, **SETTINGS), tools).facts
    last = next(line for line in reversed(tools.journal.read()) if line["accepted"])
    assert last["fresh"] == pytest.approx(tools.search.evaluate(subject.module).losses[20:40].mean(), abs=1e-6)
    assert facts["fresh_loss_before_nats"] == pytest.approx(before, abs=1e-6)


def test_hard_attention_confirms_too_and_a_killed_search_remembers(tmp_path):
    config = HardAttention.Config(k=4, vote=0.2, search_rows=40)
    whole, part = (lend(tmp_path / name, rows=100, family=family_of("bert")) for name in ("whole", "part"))
    HardAttention().apply(tiny_subject(family_of("bert"), 2), config, whole)
    lines = whole.journal.read()
    assert any("fresh" in line for line in lines), "premise: something was chosen"
    for line in lines[:-1]:
        part.journal.write(**line)
    facts = HardAttention().apply(tiny_subject(family_of("bert"), 2), config, replace(part, scratch=None)).facts
    assert [line["accepted"] for line in part.journal.read()] == [line["accepted"] for line in lines]
    values = [line["fresh"] for line in lines if line["accepted"]]
    assert facts["fresh_loss_after_nats"] == pytest.approx(min([facts["fresh_loss_before_nats"], *values]), abs=1e-6)


@pytest.mark.parametrize("fields", [{}, {"split": {"test": 0.2}}])
def test_no_more_is_held_out_than_searches_need(fields, monkeypatch):
    monkeypatch.setattr(source, "SEARCH_MOST", 60)
    spec = TaskSpec(kind="classification", text="s", label="y", **fields)
    found = [{"s": f"text {i}", "y": i % 2} for i in range(1000)]
    raw = {"train": found} if fields else {"train": found, "test": found[:5]}

    def sizes(samples):
        loaded = source.load_rows(Task("t", spec, lambda: raw), samples)
        return {name: len(split) for name, split in loaded.splits.items()}, loaded

    plain, loaded = sizes(Samples())
    assert plain["search"] == pytest.approx(60, abs=25)
    assert sum(plain.values()) == 1000 + (0 if fields else 5), "what is not held out is trained on"
    assert np.bincount(loaded.splits["search"].labels).min() > 15
    more, _ = sizes(Samples(search=100))
    assert more["search"] >= 75
    given = source.load_rows(
        Task("t", spec, lambda: raw | {"search": [{**r, "s": r["s"] + "!"} for r in found]}), Samples()
    )
    assert len(given.splits["search"]) == 1000, "a split that somebody gives is taken whole"

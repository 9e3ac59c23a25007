from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from records import stage, summary

from axkit.anatomy.structure import Structure
from axkit.report.left import what_is_left
from axkit.report.plots.canvas import DARK, LIGHT, alone
from axkit.report.plots.road import frontier_svg
from axkit.report.tables import stage_rows, stage_tables
from axkit.report.words import gain_lines
from axkit.run.remarks import Before, nothing_gained

GAINS = {
    "metric_name": "accuracy",
    "metric_search_dense": 88.4,
    "metric_search_result": 92.8,
    "metric_dense": 87.3,
    "metric_result": 87.3,
    "metric_majority": 50.0,
    "p_value_paired": 1.0,
    "loss_search_dense_nats": 0.327,
    "loss_search_result_nats": 0.229,
    "loss_test_dense_nats": 0.336,
    "loss_test_result_nats": 0.355,
}


def test_a_gain_that_does_not_survive_is_said_to_fit_the_search_split():
    text = "\n".join(gain_lines(summary(**GAINS)))
    assert "+4.40 points" in text
    assert "It fits the search split" in text
    assert "It fits" not in "\n".join(
        gain_lines(summary(**GAINS | {"metric_result": 91.0, "loss_test_result_nats": 0.25}))
    )
    assert "It fits" not in "\n".join(
        gain_lines(summary(**GAINS | {"metric_search_result": 88.0, "loss_search_result_nats": 0.4}))
    )


def test_a_gain_that_chance_explains_is_marked_wherever_it_is_told():
    doubted = GAINS | {"metric_result": 87.9, "p_value_paired": 0.4}
    assert "On the untouched test split: +0.60 points (chance), loss +0.0190." in gain_lines(summary(**doubted))[0]
    assert "+0.60 points, loss" in gain_lines(summary(**doubted | {"p_value_paired": 0.01}))[0]


BEFORE = Before.of(stage())


def test_a_stage_that_gained_nothing_says_so():
    assert nothing_gained(stage(), BEFORE, trains=False) == "It made nothing smaller, faster or better."
    assert nothing_gained(stage(), BEFORE, trains=True) == "It did not make the model better."
    for gained in ({"bytes": 900}, {"throughput_ratio": 1.3}, {"metric_search": 80.1}, {"latency_b1_ms_p50": 4.0}):
        assert nothing_gained(stage(**gained), BEFORE, trains=False) == "", gained


def test_a_stage_that_lowered_what_it_went_by_did_gain_something():
    searched = stage(facts={"search_loss_before_nats": 0.4, "search_loss_after_nats": 0.372})
    said = "The search metric did not rise by it; the loss that it went by fell by 7.00 %."
    assert nothing_gained(searched, BEFORE, trains=False) == said
    said = nothing_gained(stage(loss_search_nats=0.45), BEFORE, trains=True)
    assert said == "The search metric did not rise by it; the loss on the search split fell by 10.00 %."
    raised = stage(facts={"search_loss_before_nats": 0.4, "search_loss_after_nats": 0.4})
    assert nothing_gained(raised, BEFORE, trains=False) == "It made nothing smaller, faster or better."


def test_a_few_per_second_are_not_rounded_to_whole_ones():
    (row,) = stage_rows([stage(metric_search=99.999, bytes=40_000, throughput_ratio=0.004, wall_s=0.03)])
    assert row == ("int8", "99.99", "0.0400", "0.0040x", "0.0300", "")


def test_the_map_shows_groups_of_neurons():
    structure = Structure.dense(2, 4, 24).without_neurons(0, [0, 1, 2]).without_heads(1, [3])
    first, second = what_is_left(structure)
    assert ".+##########" in first
    assert "21/24" in first
    assert "###." in second


def test_tables_and_plot():
    points = [
        {"round": 0, "kind": "start", "speedup": 1.1, "size": 1.0, "metric_search": 85.0},
        {"round": 1, "kind": "ffn/5", "speedup": 1.4, "size": 1.1, "loss_search": 0.31},
        {"round": 1, "kind": "recovered", "speedup": 1.38, "size": 1.1, "metric_search": 84.6},
    ]
    searched = stage(index=2, tables={"frontier": points})
    text = "\n".join(stage_tables([searched]))
    assert "![frontier](frontier-2.svg)" in text
    assert "| 1 | ffn/5 | 1.4 | 1.1 |  | 0.31 |" in text
    svg = alone(frontier_svg(searched.told.frontier, 85.2, "accuracy", "frontier-2"))
    words = [one.text for one in ElementTree.fromstring(svg).iter() if one.text]
    assert "From 1.10x at 85.00 points to 1.38x at 84.60. The dense model scores 85.20." in words
    assert {"dense 85.20", "search accuracy, points"} <= set(words)
    assert all(colour in svg for colour in (LIGHT["ink"], DARK["ink"])), "a file of its own brings both"
    assert "#01010" not in svg, "no colour that stands for a role is left"


def test_a_long_table_is_left_to_the_page():
    rows = [{"layer": f"l{at}", "moves_nats": 0.5} for at in range(11)]
    text = "\n".join(stage_tables([stage(tables={"sensitivity": rows})]))
    assert "11 rows: in report.html, folded, and in report.json." in text
    assert "l3" not in text
    assert "| l3 | 0.5 |" in "\n".join(stage_tables([stage(tables={"sensitivity": rows[:10]})]))

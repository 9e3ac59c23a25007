from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from axkit.anatomy.structure import Structure
from axkit.report.plot import frontier_svg
from axkit.report.text import gain_lines, stage_tables, what_is_left

GAINS = {
    "metric_name": "accuracy",
    "metric_search_dense": 88.4,
    "metric_search_result": 92.8,
    "metric_dense": 87.3,
    "metric_result": 87.3,
    "loss_search_dense_nats": 0.327,
    "loss_search_result_nats": 0.229,
    "loss_test_dense_nats": 0.336,
    "loss_test_result_nats": 0.355,
}


def test_a_gain_that_does_not_survive_is_said_to_fit_the_search_split():
    text = "\n".join(gain_lines(GAINS))
    assert "+4.40 points" in text
    assert "It fits the search split" in text
    assert "It fits" not in "\n".join(gain_lines(GAINS | {"metric_result": 91.0, "loss_test_result_nats": 0.25}))
    assert "It fits" not in "\n".join(
        gain_lines(GAINS | {"metric_search_result": 88.0, "loss_search_result_nats": 0.4})
    )


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
    stages = [{"index": 2, "pass": "axformer_prune", "tables": {"frontier": points}}]
    text = "\n".join(stage_tables(stages))
    assert "![frontier](frontier-2.svg)" in text
    assert "| 1 | ffn/5 | 1.4 | 1.1 |  | 0.31 |" in text
    drawn = ElementTree.fromstring(frontier_svg(points, 85.2, "accuracy"))
    assert len([one for one in drawn.iter() if one.tag.endswith("circle")]) == 2

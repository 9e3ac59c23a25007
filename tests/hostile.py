"""A report with something in every part, written by somebody who means ill."""

from __future__ import annotations

from records import STAGE, SUMMARY, report

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
SIDE = {
    "scores": [[80.0, 90.0, 84.7], [88.0, 70.0, 78.0], [0.0, 0.0, 0.0]],
    "confusion": [[9, 1, 0], [3, 7, 0], [0, 0, 0]],
    "bins": [
        {"low": 0.5, "high": 0.6, "decisions": 4, "confidence": 0.55, "right": 0.5},
        {"low": 0.9, "high": 1.0, "decisions": 16, "confidence": 0.97, "right": 0.9},
    ],
}
ANSWERS = {
    "unit": "row",
    "words": ["now right", "now wrong", "another answer"],
    "counts": [1, 2, 0],
    "rows": 20,
    "moved": [
        {"row": 3, "text": EVIL, "wanted": EVIL, "dense": "good", "result": "bad", "gain": -1.0,
         "dense_confidence": 0.91, "result_confidence": 0.55},
        {"row": 9, "text": "dull", "wanted": "bad", "dense": "bad", "result": "good", "gain": -1.0},
        {"row": 4, "text": "fine", "wanted": "good", "dense": "bad", "result": "good", "gain": 1.0},
    ],
    "classes": ["good", "bad", EVIL],
    "there": [10, 10, 0],
    "dense": SIDE,
    "result": SIDE,
    "numbers": [],
}  # fmt: skip
FRONTIER = [
    {"round": 0, "kind": "start", "speedup": 1.1, "metric_search": 85.0},
    {"round": 1, "kind": EVIL, "speedup": 1.4, "metric_search": 84.0},
]
LAYERS = [{"layer": f"encoder.{at}.{EVIL}", "moves_nats": 0.1 / (at + 1), "stored_in": "int8"} for at in range(12)]


def whole(**changes):
    """Of it."""
    stages = [
        STAGE | {"pass": "axformer_prune", "config": {"k": EVIL}, "note": EVIL, "tables": {"frontier": FRONTIER}},
        STAGE | {"index": 1, "undone": True, "facts": {"linear_layers": 4.0}, "tables": {"sensitivity": LAYERS}},
    ]
    summary = SUMMARY | {
        "metrics_dense": {"accuracy": 80.0, EVIL: 1.0},
        "metrics_result": {"accuracy": 81.7, EVIL: 2.0},
    }
    found = {"name": EVIL, "stages": stages, "summary": summary, "recipe": f"axkit: 1  # {EVIL}\n", "answers": ANSWERS}
    return report(**found | {"overrides": [EVIL]} | changes)

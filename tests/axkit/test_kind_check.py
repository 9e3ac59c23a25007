"""``check_kind``: axkit's kinds keep the contract; faults that are planted are found, each by its own sentence."""

from __future__ import annotations

import sys
import types

import odd_kinds
import pytest
from conftest import write_images

from axkit.ground import registry
from axkit.tasks.kinds.kind import foreign_modules, our_kinds
from axkit.testing import check_kind

WORDS = "a film is good the play was dull story so fine".split()
TEXTS = [" ".join(WORDS[i % 4 : 3 + (i * 5) % 9]) for i in range(16)]
OURS = {
    "classification": ([{"s": t, "y": "ab"[i % 3 == 0]} for i, t in enumerate(TEXTS)], {"text": "s"}),
    "regression": ([{"s": t, "y": i * i / 7} for i, t in enumerate(TEXTS)], {"text": "s"}),
    "multi_label": ([{"s": t, "y": [["a"], ["b", "c"], []][i % 3]} for i, t in enumerate(TEXTS)], {"text": "s"}),
    "token_classification": (
        [{"s": t.split(), "y": ["OB"[j % 2] + "-X" * (j % 2) for j in range(len(t.split()))]} for t in TEXTS],
        {"text": "s"},
    ),
    "question_answering": (
        [
            {"q": "so", "s": t + " " + t * (i % 4), "y": {"text": [t.split()[0]], "answer_start": [0]}}
            for i, t in enumerate(TEXTS)
        ],
        {"text": ["q", "s"], "max_length": 32, "stride": 4},
    ),
}

FAULTS = {
    "negative": "losses must not be negative",
    "summed": "losses must be one for each example",
    "nan_loss": "losses of a random model must be finite",
    "by_batch": "has another loss than in a batch",
    "by_rank": "a prediction depends on the batch",
    "soft_apart": "soft_losses of two models that answer alike must be 0",
    "soft_mean": "soft_losses must be one for each example",
    "worse": r"calibrated\(\) raised the mean loss",
    "numbers": "predicts_numbers says one number",
    "turned": r"gather\(\) does not give predictions in the order of the rows",
    "lost": r"gather\(\) must give a prediction for each of 16 rows, not 15",
    "all_first": r"first\(\) kept 16 of 16",
    "no_target": r"with feed.targets\(\) the model must give a finite loss",
    "float_target": r"takes not what feed.targets\(\) gives",
    "no_json": r"voice.said\(\) gives no JSON",
    "not_finite": "metric 'odd' gave nan",
    "ordered": "metric 'odd' depends on the order of the rows",
    "each": "metric 'odd' gave {'a': 1.0}, and per_class is False",
    "no_metric": "the kind has no metric",
    "undecided": "decisions are made on the first metric",
    "twice": "two metrics have one name",
    "no_luck": r"luck.constants\(\) gives no answer",
    "short_luck": "constant 'a' has not one answer for each row",
    "poor_luck": "the best constant for each metric must be among them",
    "blind": r"luck.repeated\(\) takes constant 'a' for several",
    "short_majority": r"luck.majority\(\) must give one answer",
    "floats": "shown cannot tell labels of object",
    "mute": "shown must tell rows and labels",
    "changes": "reading rows changed them",
    "outputs": r"outputs\(\) is 7, and names_outputs says as many as labels",
    "heavy": "the data half imports torch",
}


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """The wrong kinds, registered; their halves are in a module that a fresh process has too."""
    info = tmp_path / "axkit_odd-1.dist-info"
    info.mkdir()
    points = [f"{name} = odd_halves:{name}" for name in odd_kinds.KINDS]
    (info / "entry_points.txt").write_text("\n".join(["[axkit.kinds]", *points]))
    (tmp_path / "odd_halves.py").write_text(
        "import odd_kinds\n"
        "for name, (kind, rows, compute) in odd_kinds.KINDS.items():\n"
        "    globals().update({name: kind, f'{name}_rows': rows, f'{name}_compute': compute})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.forget()
    yield
    sys.modules.pop("odd_halves", None)
    monkeypatch.undo()
    registry.forget()


@pytest.mark.parametrize("kind", OURS)
def test_ours_keep_it(kind):
    rows, fields = OURS[kind]
    check_kind(kind, rows, label="y", **fields)


def test_images_keep_it(tmp_path):
    write_images(tmp_path, 12)
    rows = [{"s": str(path), "y": path.parent.name} for path in sorted(tmp_path.glob("*/*.png"))]
    check_kind("image_classification", rows, image="s", label="y")


def test_no_kind_of_text_is_left_out():
    assert {*OURS, "image_classification"} == set(our_kinds())
    assert set(FAULTS) == set(odd_kinds.KINDS) - {"fine", "broken"}, "each fault has its sentence"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, odd):
    rows, fields = OURS["classification"]
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        check_kind(fault, rows, label="y", **fields)


def test_a_bug_of_a_kind_keeps_its_traceback_and_says_whose(odd):
    rows, fields = OURS["classification"]
    with pytest.raises(ZeroDivisionError) as caught:
        check_kind("broken", rows, label="y", **fields)
    assert "This is a bug of kind 'broken' of axkit_odd 1." in caught.value.__notes__[0]


def test_the_code_of_a_strangers_kind_counts_into_the_keys_of_stages(odd):
    assert foreign_modules("fine", ["accuracy"]) == ["odd_halves"] * 3
    assert foreign_modules("classification", ["accuracy"]) == []


def test_a_half_that_is_none_is_a_sentence(odd, monkeypatch):
    from axkit.ground.errors import PluginError

    monkeypatch.setitem(
        sys.modules, "odd_halves", types.SimpleNamespace(fine=odd_kinds.KINDS["fine"][0], fine_rows=int)
    )
    rows, fields = OURS["classification"]
    with pytest.raises(PluginError, match="fine' of axkit_odd 1: odd_halves:fine_rows is no subclass of KindRows"):
        check_kind("fine", rows, label="y", **fields)

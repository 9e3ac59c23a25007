"""A short form of ``make fuzz``, the judge itself, and the page."""

from __future__ import annotations

import pytest

from reliability import fuzz, page, toy
from reliability.worker import is_clear, seeded

SHORT = 50


@pytest.mark.parametrize("target", fuzz.all_targets())
def test_damaged_inputs_are_read_or_refused(target, tmp_path):
    outcomes = list(fuzz.run(target, SHORT, fuzz.SEED, tmp_path))
    assert len(outcomes) == SHORT
    bad = [fuzz.tell(target, fuzz.SEED, one) for one in outcomes if fuzz.is_bad(one)]
    assert not bad, "\n".join(bad)
    assert any(one.kind == "refused" for one in outcomes), "what was damaged is not what is read"


def test_the_judge_sees_every_way_to_misbehave(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "GIVEN_UP_S", 3.0)
    outcomes = {one.description: one for one in fuzz.run("reliability.toy", toy.COUNT, 1, tmp_path)}
    expected = {way: way for way in ("ok", "refused", "unclear", "traceback", "crash", "hang")}
    found = {way: one.kind for way, one in outcomes.items()}
    assert found == {**expected, "exit": "traceback", "outside": "ok"}
    assert [way for way, one in outcomes.items() if one.outside] == ["outside"]
    assert outcomes["outside"].outside == ["case/elsewhere"]
    assert "exit code -11" in outcomes["crash"].told
    assert fuzz.figures(list(outcomes.values()), 1, 1.0)["outside"] == 1


def test_the_dice_of_a_case_are_its_own():
    assert seeded("recipes", 14, 3).random() == seeded("recipes", 14, 3).random()
    assert len({seeded(*case).random() for case in (("a", 1, 2), ("a", 1, 3), ("a", 2, 2), ("b", 1, 2))}) == 4


@pytest.mark.parametrize(
    ("sentence", "clear"),
    [
        ("recipe.yaml, line 3: 'x' is unknown", True),
        ("row 3 has no label", True),
        ("something went wrong", False),
        ("'a'\nand more", False),
        ("", False),
        ("'" + "x" * 2000 + "'", False),
    ],
)
def test_what_a_clear_sentence_is(tmp_path, sentence, clear):
    (tmp_path / "recipe.yaml").touch()
    assert is_clear(sentence, tmp_path) == clear


def test_the_page_is_fresh():
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run: PYTHONPATH=tests python -m reliability.page"

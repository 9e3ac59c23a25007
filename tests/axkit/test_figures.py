"""What is written is what was measured: nothing rounds to something that it is not."""

from __future__ import annotations

import pytest

from axkit.ground import figures


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (99.96, "99.96"),
        (99.996, "99.99"),
        (100.0, "100.00"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (0.004, "0.01"),
        (-0.004, "-0.01"),
        (-99.999, "-99.99"),
        (87.125, "87.12"),
    ],
)
def test_scores(value, said):
    assert figures.score(value) == said


@pytest.mark.parametrize(("value", "said"), [(0.0, "+0.00"), (-0.0, "+0.00"), (-0.001, "+0.00"), (-1.5, "-1.50")])
def test_changes_have_no_negative_nothing(value, said):
    assert figures.change(value) == said


def test_changes_of_a_loss():
    assert figures.change(-0.00001, 4) == "+0.0000"
    assert figures.change(0.00996, 4) == "+0.0100"


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "as large"), (0.997, "as large"), (1.004, "as large"), (1.006, "1.01x smaller"), (0.5, "2.00x larger")],
)
def test_a_ratio_that_rounds_to_one_is_none(value, said):
    assert figures.times(value, "smaller", "larger", "as large") == said


@pytest.mark.parametrize(
    ("value", "decimals", "said"),
    [
        (6.41, 0, "6.41"),
        (64.13, 0, "64.1"),
        (641.3, 0, "641"),
        (6413.0, 0, "6413"),
        (0.0042, 2, "0.00420"),
        (12.345, 2, "12.35"),
        (0.0, 2, "0"),
        (0.04, 1, "0.0400"),
        (265.44, 1, "265.4"),
    ],
)
def test_quantities_have_three_digits_that_count(value, decimals, said):
    assert figures.quantity(value, decimals) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0005, "< 0.001"), (0.0421, "= 0.042"), (0.0497, "= 0.0497"), (0.05, "= 0.050"), (1, "= 1.000")],
)
def test_p_values(value, said):
    assert figures.p_value(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2.618, "2.618"),
        (59717800.0, "59717800"),
        (12345.678, "12346"),
        (1.61756, "1.618"),
        (0.5, "0.5"),
        (0.0711, "0.0711"),
        (-3.14159, "-3.142"),
        (8.88e-7, "8.88e-07"),
        (0.0, "0"),
        (float("nan"), "nan"),
    ],
)
def test_a_figure_of_an_unknown_unit_has_four_digits_that_count(value, said):
    assert figures.number(value) == said

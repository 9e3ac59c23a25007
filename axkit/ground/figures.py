"""How figures are written: the one place that rounds. Imports no torch."""

from __future__ import annotations

import math


def score(value: float) -> str:
    """A score, two decimals; what is short of 100 never reads 100.00, what is not 0 never 0.00.

    Args:
        value: in points, -100..100.
    """
    text = _unsigned_zero(f"{value:.2f}")
    if text in ("100.00", "-100.00") and abs(value) < 100 - 1e-9:
        return text.replace("100.00", "99.99")
    if text == "0.00" and abs(value) > 1e-9:
        return "0.01" if value > 0 else "-0.01"
    return text


def change(value: float, decimals: int = 2) -> str:
    """A difference with its sign; one that rounds to nothing has a plus and no minus."""
    text = f"{value:+.{decimals}f}"
    return text.replace("-", "+") if float(text) == 0 else text


def ratio(value: float) -> str:
    """``1.37x``; below 0.1 with two digits that count."""
    return f"{value:.2f}x" if value >= 0.1 or value <= 0 else f"{value:.{1 - math.floor(math.log10(value))}f}x"


def times(value: float, more: str, less: str, same: str) -> str:
    """A ratio in words, ``1.37x smaller``; one that rounds to 1.00 is ``same``.

    Args:
        value: above 0.
        more: the word above 1.
        less: the word below 1, where its inverse is told.
        same: the whole sentence part otherwise.
    """
    if ratio(value) == "1.00x" or ratio(1 / value) == "1.00x":
        return same
    return f"{ratio(value)} {more}" if value > 1 else f"{ratio(1 / value)} {less}"


def quantity(value: float, decimals: int = 0) -> str:
    """A measured size: at least so many decimals, and at least three significant digits (6.41 per second, not 6).

    Args:
        value: milliseconds, megabytes, inputs per second.
        decimals: of a large value.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    significant = 2 - math.floor(math.log10(abs(value)))
    text = f"{value:.{max(decimals, min(significant, 12))}f}"
    return _unsigned_zero(text)


def number(value: float) -> str:
    """Any figure of a table whose unit nobody knows here: four digits that count, no exponent where there is room."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{value:.0f}"
    size = math.floor(math.log10(abs(value)))
    if not -4 < size < 12:
        return f"{value:.3g}"
    return f"{value:.{max(0, 3 - size)}f}".rstrip("0").rstrip(".") if size < 3 else f"{value:.0f}"


def p_value(value: float) -> str:
    """``= 0.042`` or ``< 0.001``; one below 0.05 never reads 0.050."""
    if value < 0.001:
        return "< 0.001"
    text = f"{value:.3f}"
    return f"= {value:.4f}" if text == "0.050" and value < 0.05 else f"= {text}"


def span(seconds: tuple[float, float | None]) -> str:
    """``12 to 20 min``: a time that is only foreseen, in the unit of its most; None: nobody knows the most."""
    low, high = seconds
    size, unit = _unit(low if high is None else high)
    if high is None:
        return f"{_rounded(low / size)} {unit} or more"
    least, most = _rounded(low / size), _rounded(high / size)
    return f"{most} {unit}" if least == most else f"{least} to {most} {unit}"


def _unit(seconds: float) -> tuple[float, str]:
    if seconds >= 5400:
        return 3600.0, "hours"
    return (60.0, "min") if seconds >= 90 else (1.0, "s")


def _rounded(value: float) -> str:
    """Two digits that count are more than is known."""
    return f"{value:.1f}" if 0 < value < 2 else f"{value:.0f}"


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text

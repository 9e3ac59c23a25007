"""The templates of pages, filled in; whatever is no template is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from axkit.ground.figures import change, quantity, ratio, score
from axkit.ground.version import __version__
from axkit.report.plots.canvas import DARK, LIGHT, can_draw


class Drawn:
    """Plots by name, in order; each is drawn when it is added, and not at all without matplotlib."""

    def __init__(self) -> None:
        self._plots: dict[str, Markup] = {}

    def add(self, name: str, draw: Callable[[], str]) -> None:
        """Draw one; its words are escaped by who writes the SVG."""
        if can_draw():
            self._plots[name] = Markup(draw())

    def get(self, name: str) -> Markup | None:
        """A plot; None where it was not drawn."""
        return self._plots.get(name)

    def of(self, prefix: str) -> Iterator[Markup]:
        """All whose name begins so."""
        yield from (plot for name, plot in self._plots.items() if name.startswith(prefix))


def rendered(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: its name.
        values: what it is filled with; a name that is missing is a bug, and told as one.
    """
    return _environment().get_template(f"{template}.j2").render(can_draw=can_draw(), **values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("axkit.report.page", "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"score": score, "change": change, "quantity": quantity, "ratio": ratio, "percent": _percent}
    made.globals |= {
        "version": __version__,
        "style": Markup(_part("style.css")),
        "script": Markup(_part("script.js")),
        "light": LIGHT,
        "dark": DARK,
    }
    return made


def _part(name: str) -> str:
    return (files("axkit.report.page") / "parts" / name).read_text(encoding="utf-8")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"

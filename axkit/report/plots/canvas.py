"""A figure, and the SVG of it: words stay words, colours are the page's, ids are its own."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID, DENSE, RESULT, GONE = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_ROLES = {INK: "ink", SOFT: "soft", GRID: "grid", DENSE: "dense", RESULT: "result", GONE: "gone"}
LIGHT = {
    "ink": "#1c2126", "soft": "#4c555e", "grid": "#d9dee3", "dense": "#a04a00", "result": "#0a5fa8", "gone": "#e4e8ec",
}  # fmt: skip
DARK = {
    "ink": "#e9edf1", "soft": "#b3bcc5", "grid": "#3a424a", "dense": "#ffb36b", "result": "#7cc0ff", "gone": "#2b3239",
}  # fmt: skip
_PLACES = {"d", "x", "y", "transform", "points"}
_FINE = re.compile(r"(\d\.\d\d)\d+")
_SVG = "http://www.w3.org/2000/svg"
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "axkit",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return find_spec("matplotlib") is not None


@contextmanager
def canvas(width: float = 6.4, height: float = 3.2, **grid: Any) -> Iterator[tuple[Figure, Any]]:
    """A figure in inches with its axes, in the style of all plots; more as ``Figure.subplots`` takes it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(**grid)


def plain(axes: Axes) -> None:
    """Without a frame: bars speak for themselves."""
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def svg_of(figure: Figure, name: str, title: str, about: str) -> str:
    """The figure as an SVG element.

    Args:
        figure: drawn in a ``canvas``.
        name: no other plot of the page has it: its ids begin so.
        title: what it shows, for whoever does not see it.
        about: what is to be seen in it, likewise.
    """
    raw = io.BytesIO()
    figure.savefig(raw, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(raw.getvalue())
    for one in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(one)
    own_ids(root, name)
    words = ElementTree.Element(f"{{{_SVG}}}title", {"id": f"{name}-title"})
    more = ElementTree.Element(f"{{{_SVG}}}desc", {"id": f"{name}-about"})
    words.text, more.text = title, about
    root.insert(0, words)
    root.insert(1, more)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-about", "id": name}
    root.set("style", f"--inches:{figure.get_figwidth():g}")  # what it is wide, so that all words are of one size
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return _themed(ElementTree.tostring(root, encoding="unicode"))


def alone(svg: str) -> str:
    """A plot as a file of its own: it brings the colours, light and dark."""
    light, dark = ("".join(f"--{role}:{colour};" for role, colour in colours.items()) for colours in (LIGHT, DARK))
    style = f"<style>svg{{{light}}}@media (prefers-color-scheme: dark){{svg{{{dark}background:#15191d}}}}</style>"
    head, mark, rest = svg.partition(">")
    return f"{head}{mark}{style}{rest}\n"


def own_ids(root: ElementTree.Element, name: str) -> None:
    """Ids that no other figure has, and what refers to them."""
    for one in root.iter():
        for key, value in one.attrib.items():
            if key in _PLACES:
                one.set(key, _FINE.sub(r"\1", value))  # a hundredth of a point is as good as a millionth
            elif key == "id":
                one.set(key, f"{name}-{value}")
            elif "url(#" in value:
                one.set(key, value.replace("url(#", f"url(#{name}-"))
            elif key.endswith("href") and value.startswith("#"):
                one.set(key, f"#{name}-{value[1:]}")


def _themed(svg: str) -> str:
    """Colours by their role: the page says which they are."""
    pattern = "|".join(_ROLES)
    return re.sub(pattern, lambda found: f"var(--{_ROLES[found[0]]})", svg)

"""The recipes that come with axkit, by name. Imports no torch."""

from __future__ import annotations

import os
import warnings
from functools import cache
from itertools import takewhile
from pathlib import Path

from axkit.ground.errors import RecipeError, did_you_mean, shown

_SUFFIX = ".yaml"


class TwoOfAName(UserWarning):
    """A file in reach has the name of a recipe that axkit ships."""


def folder() -> Path:
    """Where they are: in the package; beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside, beside = package / "recipes", package.parent
    return inside if inside.is_dir() or not (beside / "pyproject.toml").is_file() else beside / "recipes"


@cache
def shipped() -> dict[str, Path]:
    """Name -> file; those for original models from the hub begin with ``hub/``."""
    top = folder()
    found = sorted(top.glob(f"*{_SUFFIX}")) + sorted(top.glob(f"*/*{_SUFFIX}"))
    return {path.relative_to(top).with_suffix("").as_posix(): path for path in found}


def located(wanted: str | Path) -> Path:
    """The file of a recipe: a path, or the name of one that axkit ships, with hyphens or underscores.

    A file in reach wins, and that there are two is said.

    Raises:
        RecipeError: neither.
    """
    text = str(wanted)
    own = shipped().get(_named(text))
    if own is None:
        _refuse_unknown(text)
        return Path(wanted)
    near = [text] if text.endswith(_SUFFIX) else [text, text + _SUFFIX]
    found = next((one for one in near if os.path.isfile(one)), None)
    if found is None:
        return own
    if not os.path.samefile(found, own):
        warnings.warn(
            f"{found} is taken; axkit brings a recipe of that name too: to have that, give the file another name",
            TwoOfAName,
            stacklevel=2,
        )
    return Path(found)


def _named(text: str) -> str:
    return text.removesuffix(_SUFFIX).replace("-", "_")


def _refuse_unknown(text: str) -> None:
    """Refuse what is no path and nearly a name; whatever else is wrong with a path is told when it is read."""
    if not text:
        raise RecipeError("no recipe at an empty path: give the path of a YAML file, or a name of 'axkit recipes'")
    if os.path.exists(text):
        return
    name = _named(Path(text).name)
    if name in shipped():
        raise RecipeError(f"no recipe at {shown(text)}; axkit brings one of that name: give '{name}'")
    if not {"/", os.sep, "."} & set(text):
        known = did_you_mean(text, list(shipped()))
        raise RecipeError(f"no recipe '{shown(text)}' here, and none that axkit brings{known}")


def purpose(path: Path) -> str:
    """What a recipe says of itself: the first sentence of the comment that it begins with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line.lstrip("# ").rstrip() for line in takewhile(lambda one: one.startswith("#"), lines)]
    whole = " ".join(head)
    return whole.split(". ")[0].rstrip(".") + "." if whole else ""

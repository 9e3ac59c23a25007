"""How to get what an extra brings: by the names of its packages, as whoever wrote it may not have published it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from axkit.ground.errors import NotApplicable


def needs_of(distribution: str, extra: str) -> list[str]:
    """What an extra of an installed distribution asks for, as pip takes it; empty where nobody knows."""
    from packaging.requirements import Requirement  # here: it is asked for where a package is missing

    try:
        wanted = [Requirement(text) for text in requires(distribution) or []]
    except PackageNotFoundError:
        return []
    found: list[str] = []
    for one in wanted:
        if one.marker is None or not one.marker.evaluate({"extra": extra}) or one.marker.evaluate({"extra": ""}):
            continue
        if one.name == distribution:  # an extra made of extras
            found += [need for other in sorted(one.extras) for need in needs_of(distribution, other)]
        else:
            extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
            limits = ",".join(sorted(str(one.specifier).split(","), reverse=True))
            found.append(f"{one.name}{extras}{limits}")
    return found


def way_to(extra: str, distribution: str = "axkit") -> str:
    """The command that brings what an extra of an installed distribution needs."""
    packages = needs_of(distribution, extra) or [f"{distribution}[{extra}]"]
    return "pip install " + " ".join(f"'{package}'" for package in packages)


def refuse_missing(what: str, packages: Iterable[str], extra: str = "", way: str = "", whose: str = "axkit") -> None:
    """Say no where a package is not installed.

    Args:
        what: needs them, as the message begins.
        packages: by the names that they are imported by.
        extra: of a distribution, that brings them.
        way: to get them, in place of what the extra says.
        whose: the extra is.

    Raises:
        NotApplicable: names those that are missing, and how to get them.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise told_missing(what, missing, way or (way_to(extra, whose) if extra else "install it"))


def told_missing(what: str, missing: Sequence[str], way: str) -> NotApplicable:
    """The sentence of ``refuse_missing``, to be raised."""
    which = "which is" if len(missing) == 1 else "which are"
    return NotApplicable(f"{what} needs {' and '.join(missing)}, {which} not installed: {way}")

"""How to get what an extra brings: by the names of its packages, as whoever wrote it may not have published it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires


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

"""What is told of a pass, and how its optional packages are had. Imports no torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

from axkit.ground.extras import told_missing, way_to


class Described:
    """What ``axkit passes`` shows of a pass.

    Attributes:
        extra: the extra of the distribution that brings its optional packages.
        packages: the importable names of those packages.
        install: how to get them, where the extra alone does not bring them all.
        paper: the source of the method.
        purpose: what one takes it for, half a sentence.
    """

    extra: ClassVar[str | None] = None
    packages: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    purpose: ClassVar[str] = ""

    def packages_of(self, config: Any) -> tuple[str, ...]:
        """The optional packages that its settings ask for; their versions are part of what a finished stage is."""
        return self.packages

    @classmethod
    def missing_packages(cls) -> list[str]:
        """The optional packages that are not installed."""
        return [name for name in cls.packages if find_spec(name) is None]


def way_to_install(described: type[Described], distribution: str) -> str:
    """What brings a pass's optional packages."""
    by_extra = way_to(described.extra, distribution.split()[0]) if described.extra else "install it"
    return described.install or by_extra


def refuse_if_missing(name: str, described: type[Described], distribution: str) -> None:
    """Raise NotApplicable when a pass lacks an optional package."""
    missing = described.missing_packages()
    if missing:
        raise told_missing(f"pass '{name}'", missing, way_to_install(described, distribution))

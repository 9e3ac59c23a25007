"""Entry points as this checkout has them: where what is installed is older, or an example is not installed at all.

A test run against an installed package needs nothing of this, and nothing is done. In a checkout whose pyproject.toml
registers other things than the installed metadata says, a folder of metadata goes before all others on the path, here
and in processes that are started.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def register() -> None:
    """Put in front what the installed metadata lacks."""
    site = Path(tempfile.gettempdir()) / f"axkit-checkout-{os.getpid()}"
    places = [str(place) for project in _projects() for place in _stale(project, site)]
    for place in reversed(places):
        if place not in sys.path:
            sys.path.insert(0, place)
    if places:
        atexit.register(shutil.rmtree, site, ignore_errors=True)
        os.environ["PYTHONPATH"] = os.pathsep.join([*places, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def _projects() -> list[Path]:
    return [ROOT / "pyproject.toml", *sorted((ROOT / "docs" / "examples").glob("*/pyproject.toml"))]


def _stale(project: Path, site: Path) -> list[Path]:
    """The folders to put on the path for a package whose installed entry points are others, or none."""
    about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    groups = {name: points for name, points in about.get("entry-points", {}).items() if name.startswith("axkit.")}
    wanted = {(group, name, target) for group, points in groups.items() for name, target in points.items()}
    try:
        found = distribution(about["name"]).entry_points
        installed = {(one.group, one.name, one.value) for one in found if one.group.startswith("axkit.")}
    except PackageNotFoundError:
        installed = set()
    if wanted == installed:
        return []
    info = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    lines = (line for group, points in groups.items() for line in (f"[{group}]", *map(" = ".join, points.items())))
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    extras = about.get("optional-dependencies", {})
    needs = [f'Requires-Dist: {need}; extra == "{extra}"' for extra, wanted in extras.items() for need in wanted]
    facts = ["Metadata-Version: 2.1", f"Name: {about['name']}", f"Version: {about['version']}", *needs, ""]
    (info / "METADATA").write_text("\n".join(facts), encoding="utf-8")
    return [site] if project.parent == ROOT else [site, project.parent]

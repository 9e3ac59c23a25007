"""What the package says of itself is so."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import axkit
from axkit_plugins.embedded import data, models, mpnet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = {"axkit", "axkit_plugins"}


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def imported(tree: ast.AST) -> Iterator[str]:
    """The packages that a module takes from elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_all_that_is_imported_is_asked_for():
    needs = [*PROJECT["dependencies"], *(one for name in EXTRAS.keys() - {"dev"} for one in EXTRAS[name])]
    asked, whose = {name_of(one) for one in needs}, packages_distributions()
    found = {
        one
        for room in OURS
        for path in (ROOT / room).rglob("*.py")
        for one in imported(ast.parse(path.read_text(encoding="utf-8")))
    }
    found -= OURS | sys.stdlib_module_names
    assert {"torch", "pyarrow", "onnx"} <= found
    assert not [one for one in found if not asked & {name_of(of) for of in whose.get(one, [one])}]


def test_what_runs_it_has_ranges_and_no_pins():
    needs = [*PROJECT["dependencies"], *(one for name in EXTRAS.keys() - {"dev"} for one in EXTRAS[name])]
    assert not [one for one in needs if "==" in one]


def test_one_version_stands_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    changed = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {PROJECT["version"], axkit.__version__, cited[1], changed[1]} == {PROJECT["version"]}


def test_the_pythons_that_are_named_are_tested():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    tested = re.search(r"python: \[(.+)\]", (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert named == re.findall(r"3\.\d+", tested[1])
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_extras_and_what_is_downloaded_stand_on_the_page():
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert not [name for name in EXTRAS if f"| `{name}` |" not in page]
    downloaded = (name_of(data.REQUIREMENT), name_of(models.REQUIREMENT), mpnet.PACKAGES[0].partition("-pypi")[0])
    whose = page[page.index("What is downloaded, and whose it is") :].lower()
    assert not [one for one in downloaded if one not in whose]


def test_types_are_offered():
    assert all((ROOT / room / "py.typed").is_file() for room in OURS)

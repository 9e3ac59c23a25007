"""The site as it is built: what mkdocstrings makes of the docstrings is what they mean."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from built_site import built_site
from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
ROLE = re.compile(r":[a-z]+:`")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Page -> its HTML, of the reference."""
    folder = built_site(tmp_path_factory)
    return {page: (folder / "reference" / page / "index.html").read_text("utf-8") for page in ("python", "kit")}


def test_no_page_shows_a_mark_of_another_tool(site):
    for page, html in site.items():
        assert not re.findall(r":(?:attr|class|data|exc|func|meth|mod|obj):|::</p>|<summary>", html), page


def test_no_docstring_has_a_role():
    """The site is Markdown: a name stands between backticks, and nothing else."""
    files = [*(ROOT / "axkit").rglob("*.py"), *(ROOT / "axkit_plugins").rglob("*.py")]
    assert len(files) > 100
    assert not [path.name for path in files if ROLE.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", ["python", "kit"])
def test_every_field_is_shown(site, page):
    """With its type; those of a base that has a heading of its own are shown there."""
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
    classes = {found: name for name in re.findall(r"^::: (\S+)$", text, re.M) if inspect.isclass(found := _found(name))}
    fields = [(one, field) for one in classes for field in _fields(one)]
    assert len(fields) > 50
    missing = []
    for one, field in fields:
        bases = [classes[base] for base in inspect.getmro(one) if base in classes]
        if not any(f'title="{base}.{field}"' in site[page] for base in bases):
            missing.append(f"{classes[one]}.{field}")
    assert not missing


def _found(name):
    module, _, name = name.rpartition(".")
    return getattr(import_module(module), name)


def _fields(one):
    if issubclass(one, BaseModel):
        return list(one.model_fields)
    if dataclasses.is_dataclass(one):
        return [field.name for field in dataclasses.fields(one)]
    return [name for name in vars(one).get("__annotations__", {}) if not name.startswith("_")]

"""Generated pages are as fresh as what they are generated from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_families_is_fresh():
    spec = importlib.util.spec_from_file_location("families", DOCS / "families.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run: python docs/families.py"


def test_the_page_of_recipes_names_each():
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert not [path.stem for path in (DOCS.parent / "recipes").glob("*.yaml") if f"`{path.stem}`" not in page]

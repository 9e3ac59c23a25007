"""Generated pages are as fresh as what they are generated from."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from limited import LIMITS, REASONS, limited

from axkit.ground import registry

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["families", "conformance"])
def test_a_generated_page_is_fresh(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), f"run: python docs/{name}.py"


def load(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_every_command_and_every_option_has_a_heading_and_says_what_it_does():
    made = load("cli")
    headings = [line for line in made.page().splitlines() if line.startswith("#")]
    assert len(headings) == len(set(headings))
    for name, command in made.cli.commands.items():
        assert f"## axkit {name}" in headings
        assert command.help, name
        for option in command.params:
            if option.param_type_name == "option":
                (heading,) = [line for line in headings if line.endswith(f"{{ #{command.name}-{option.name} }}")]
                assert all(f"`{one}`" in heading for one in option.opts)
                assert option.help, f"{name} {option.name}"


def test_every_setting_of_every_pass_of_ours_stands_in_its_table():
    made = load("passes")
    parts = dict(part.split("\n", 1) for part in made.page().split("\n## ")[1:])
    assert len(parts) > 10
    assert parts.keys() == {name for name, entry in registry.entries(registry.PASSES).items() if entry.is_ours}
    for name, part in parts.items():
        pass_class = registry.get(registry.PASSES, name)
        assert all(fact and fact.replace("<", "&lt;") in part for fact in (pass_class.purpose, pass_class.paper)), name
        rows = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in part.splitlines() if line.startswith("| `")]
        assert all(len(row) == 4 and row[1] and row[3] for row in rows), name
        assert [row[0].strip("`") for row in rows] == [*pass_class.Config.model_fields, "budget.max_drop"], name


def test_the_page_of_recipes_names_each():
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert not [path.stem for path in (DOCS.parent / "recipes").glob("*.yaml") if f"`{path.stem}`" not in page]


@pytest.mark.parametrize("limits", LIMITS, ids="+".join)
def test_the_table_of_families_goes_by_their_limits(limits, monkeypatch):
    made, family = load("families"), limited("bert", *limits)
    ours = made._ours
    monkeypatch.setattr(made, "_ours", lambda group: {"bert": family} if group == registry.FAMILIES else ours(group))
    page = made.page()
    (row,) = [line for line in page.splitlines() if line.startswith("| `bert` |")]
    for ability, cell in zip(REASONS, row.split(" | ")[2:5], strict=True):
        found = re.fullmatch(r"no \((\d+)\)", cell)
        assert (found is not None) == (ability in limits)
        if found:
            assert f"\n{found[1]}. `bert`: {REASONS[ability]}.\n" in page


def test_the_figures_of_the_home_page_stand_where_it_says():
    """In the lines of that recipe, or of those rows, below the heading that the row leads to."""
    home = (DOCS / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)`[^|]*\| ([^|]+) \| (.*) \|.*\]\((\S+)\.md#(\S+)\) \|$", home, re.M)
    assert len(rows) > 4
    for name, task, figures, page, anchor in rows:
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        (section,) = [part for part in text.split("\n## ") if _anchor(part) == anchor]
        told = "\n".join(line for line in section.splitlines() if line.startswith((f"| {name} |", f"| {task} |")))
        found = re.findall(r"[-+]?\d+\.\d+x?", figures)
        assert len(found) > 3, name
        assert not [figure for figure in found if figure not in told], name


def _anchor(section):
    return section.split("\n")[0].lower().replace(" ", "-")

"""Hints name packages that can be had, whether or not axkit itself is published."""

import re
from pathlib import Path

from axkit.ground.extras import needs_of, way_to

ROOT = Path(__file__).resolve().parents[2]
FROM_AN_INDEX = re.compile(r"pip install '?axkit(?!-|\[\w+\] @ file:)")


def test_an_extra_is_told_by_its_packages():
    assert way_to("train") == "pip install 'accelerate>=1.15,<2'"
    assert needs_of("axkit", "ray") == ["ray[client]>=2.50,<3"]


def test_an_extra_made_of_extras_is_told_by_theirs():
    assert needs_of("axkit", "demo") == needs_of("axkit", "train")


def test_what_nobody_knows_is_asked_for_by_name():
    assert way_to("x", "no-such-thing") == "pip install 'no-such-thing[x]'"
    assert way_to("no-such-extra") == "pip install 'axkit[no-such-extra]'"


def test_no_page_recipe_or_message_takes_axkit_from_an_index():
    assert FROM_AN_INDEX.search("pip install 'axkit[onnx]'")
    assert FROM_AN_INDEX.search("pip install axkit\naxkit predict")
    places = ("README.md", "docs/*.md", "recipes/**/*.yaml", "axkit/**/*.py", "axkit_plugins/**/*.py")
    found = [path for place in places for path in ROOT.glob(place)]
    assert len(found) > 300
    assert not [path.name for path in found if FROM_AN_INDEX.search(path.read_text(encoding="utf-8"))]

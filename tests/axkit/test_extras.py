"""Hints name packages that can be had, whether or not axkit itself is published."""

from axkit.ground.extras import needs_of, way_to


def test_an_extra_is_told_by_its_packages():
    assert way_to("train") == "pip install 'accelerate>=1.15,<2'"
    assert needs_of("axkit", "ray") == ["ray[client]>=2.50,<3"]


def test_an_extra_made_of_extras_is_told_by_theirs():
    assert needs_of("axkit", "demo") == needs_of("axkit", "train")


def test_what_nobody_knows_is_asked_for_by_name():
    assert way_to("x", "no-such-thing") == "pip install 'no-such-thing[x]'"
    assert way_to("no-such-extra") == "pip install 'axkit[no-such-extra]'"

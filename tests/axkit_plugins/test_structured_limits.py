"""``structured`` on families that cannot lose everything: refused in the plan, with ways out that lead somewhere."""

from __future__ import annotations

import re

import pytest
from limited import LIMITS, REASONS, limited

from axkit.ground.errors import NotApplicable
from axkit.testing import lend, tiny_subject
from axkit_plugins.structured import Structured, score

WHAT = ("heads_and_neurons", "heads", "neurons", "layers")


def refusal(family, **settings):
    """Why the plan refuses; empty where it does not."""
    try:
        Structured().check(family, Structured.Config(ratio=0.3, **settings))
    except NotApplicable as error:
        return str(error)
    return ""


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("limits", [(), *LIMITS], ids="+".join)
@pytest.mark.parametrize("importance", ["magnitude", "obs"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_what_the_plan_takes_is_done_and_what_it_refuses_has_a_way_out(name, importance, limits, what, tmp_path):
    family, settings = limited(name, *limits), {"what": what, "importance": importance}
    refused = refusal(family, **settings)
    limited_part = next((part for part in ("heads", "neurons") if part in limits and part in what), None)
    if limited_part:
        assert f"its {limited_part} cannot go one by one: {REASONS[limited_part]}; give 'what: " in refused
        for other in re.findall(r"'what: (\w+)'", refused):
            assert "cannot go one by one" not in refusal(family, **settings | {"what": other})
    elif name == "gpt2" and importance != "obs":
        assert "give 'importance: obs'" in refused
    else:
        assert not refused
        subject = tiny_subject(family)
        config = Structured.Config(ratio=0.4, at_least=0.0, **settings)
        Structured().apply(subject, config, lend(tmp_path, family=family))
        assert not subject.structure.is_dense


@pytest.mark.parametrize(
    ("limits", "what", "way_out"),
    [
        ((), "layers", "give 'what: neurons' or 'what: heads'"),
        (("heads",), "heads", "give 'what: neurons'"),
        (("neurons",), "layers", "give 'what: heads'"),
        (("heads", "neurons"), "heads_and_neurons", "use axformer_prune, which removes whole blocks"),
        (("heads", "neurons"), "layers", "use axformer_prune, which removes whole blocks"),
    ],
)
def test_where_all_layers_are_one_module_no_layer_is_offered(limits, what, way_out):
    assert refusal(limited("albert", *limits), what=what).endswith(f"; {way_out}")


@pytest.mark.parametrize(("what", "heads", "neurons"), [("heads", 4, 0), ("neurons", 0, 24), ("layers", 4, 24)])
def test_only_what_may_go_is_scored(what, heads, neurons, tmp_path):
    config = Structured.Config(ratio=0.3, what=what, importance="magnitude")
    found = score.score(tiny_subject(limited("bert")), config, lend(tmp_path))
    assert {(len(one.heads), len(one.neurons)) for one in found.values()} == {(heads, neurons)}

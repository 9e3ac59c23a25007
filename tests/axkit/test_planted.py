"""The conformance kit finds what is planted, each by a clause of its own; what it is planted into is right."""

from __future__ import annotations

import re
import sys

import planted
import pytest
from planted import FAULTS, KEPT, RIGHT, STRAY, Narrow

from axkit import NotApplicable, Result
from axkit.anatomy.family import family_of
from axkit.ground import registry
from axkit.ground.errors import PluginError
from axkit.testing import check_pass
from axkit.testing.clauses.base import BrokenClause
from axkit.testing.pass_check import CLAUSES

IN_A_RECIPE = ("recipe", "finished")  # clauses that a recipe shows


@pytest.fixture(autouse=True)
def _tidy():
    planted.DONE.clear()
    yield
    planted.DONE.set()
    for one in KEPT:
        (one.close if hasattr(one, "close") else one.join)()
    KEPT.clear()
    STRAY.unlink(missing_ok=True)


@pytest.mark.parametrize("pass_class", RIGHT)
def test_what_faults_are_planted_into_is_right(pass_class):
    check_pass(pass_class, "bert")


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found_by_its_clause(what):
    pass_class, clause, said = FAULTS[what]
    family = family_of("bert").model_copy(deep=True)  # one of the faults changes it
    with pytest.raises(BrokenClause, match=re.escape(said)) as caught:
        check_pass(pass_class, family, engine=clause in IN_A_RECIPE)
    assert caught.value.clause == clause
    assert re.fullmatch(r"the pass [^\n]+[;,:] [^\n]+ \(clause '[a-z0-9-]+'\)", str(caught.value)), "no way out"


def test_thirty_and_more_are_planted():
    assert len(FAULTS) >= 30
    assert {clause for _, clause, _ in FAULTS.values()} <= {one.name for one in CLAUSES}


def test_the_one_layer_that_all_share_is_not_dropped():
    class Drops(Narrow):
        def apply(self, subject, config, tools):
            subject.carve(subject.structure.without_layer(0))
            return Result()

    class Copies(Narrow):
        def apply(self, subject, config, tools):
            import copy

            result = super().apply(subject, config, tools)
            layers = subject.module.albert.encoder.albert_layer_groups[0].albert_layers
            layers.append(copy.deepcopy(layers[0]))
            return result

    check_pass(Narrow, "albert", engine=False)
    for pass_class in (Drops, Copies):
        with pytest.raises(BrokenClause, match="that all layers of this family share") as caught:
            check_pass(pass_class, "albert", engine=False)
        assert caught.value.clause == "shared"


def test_a_module_that_imports_torch_at_once(tmp_path, monkeypatch):
    text = (
        "{}from axkit import Pass, PassConfig, Result\n"
        "class Slow(Pass[PassConfig]):\n"
        "    def apply(self, subject, config, tools):\n"
        "        return Result(note='It only looked.')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, first in (("axkit_slow", "import torch\n"), ("axkit_quick", "")):
        (tmp_path / f"{name}.py").write_text(text.format(first))
    try:
        import axkit_quick
        import axkit_slow

        check_pass(axkit_quick.Slow, "bert", engine=False)
        with pytest.raises(BrokenClause, match="imports torch as soon as its module axkit_slow is imported") as caught:
            check_pass(axkit_slow.Slow, "bert", engine=False)
    finally:
        for name in ("axkit_slow", "axkit_quick"):
            sys.modules.pop(name, None)
    assert caught.value.clause == "light"


def test_an_instance_and_a_config_do_as_well():
    subject = check_pass(Narrow(), "bert", config=Narrow.Config(less=6), engine=False)
    assert len(subject.structure.layers[0].neurons) == 18
    with pytest.raises(PluginError, match="unknown pass"):
        registry.get(registry.PASSES, subject.trail[0].name)


def test_a_refusal_and_a_bug_pass_as_they_are():
    class Refuses(Narrow):
        def apply(self, subject, config, tools):
            raise NotApplicable("not here; use another")

    class Breaks(Narrow):
        def apply(self, subject, config, tools):
            raise KeyError("a bug")

    for pass_class, error in ((Refuses, NotApplicable), (Breaks, KeyError)):
        with pytest.raises(error):
            check_pass(pass_class, "bert", engine=False)
    with pytest.raises(TypeError, match="is no pass"):
        check_pass(len, "bert")

"""Every registered pass on every registered family."""

from __future__ import annotations

import re

import pytest
from ours import OURS, SETTINGS

from axkit.anatomy.family import family_of
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.result import Result
from axkit.ground import registry
from axkit.ground.errors import NotApplicable
from axkit.testing import check_family, check_pass

ROBERTAS = ("camembert", "xlm-roberta")  # modules of roberta: what a pass does to one of them it does to all
WHOLLY = "bert"  # engine and process are the same for all families: one goes through a recipe, and is applied twice


@pytest.mark.parametrize("family", [name for name in registry.entries(registry.FAMILIES) if name not in ROBERTAS])
@pytest.mark.parametrize("name", OURS)
def test_pass_on_family(name, family):
    """It runs and keeps the contract, or its ``check`` refuses; what ``check`` lets through must run."""
    pass_class, settings = registry.get(registry.PASSES, name), SETTINGS.get(name, {})
    try:
        pass_class().check(family_of(family), pass_class.Config(**settings))
    except NotApplicable as error:
        refusal = str(error)
    else:
        refusal = ""
        wholly = family == WHOLLY
        check_pass(pass_class, family, name, engine=wholly, again=wholly, **settings)
    assert not refusal or re.search(r"; (use|leave|give) ", refusal), "no way out"


@pytest.mark.parametrize("name", list(registry.entries(registry.FAMILIES)))
def test_family(name):
    check_family(family_of(name))


class _Nothing(Pass[PassConfig]):
    """Does nothing, and does not say so."""

    Config = PassConfig

    def apply(self, subject, config, tools):
        return Result()


class _Liar(_Nothing):
    """Carves the module behind the structure's back."""

    def apply(self, subject, config, tools):
        structure = subject.structure
        subject.carve(structure.without_ffn(0))
        subject.structure = structure
        return Result(note="nothing")


class _Meddler(_Nothing):
    """Changes the dense model that it was lent."""

    needs = frozenset({"teacher"})

    def apply(self, subject, config, tools):
        tools.teacher.module.classifier.bias.data += 1
        return Result(note="meddled")


@pytest.mark.parametrize(
    ("pass_class", "clause"),
    [(_Nothing, "changed nothing"), (_Meddler, "changed the dense model"), (_Liar, "is not what its structure says")],
)
def test_the_contract_catches_offenders(pass_class, clause):
    with pytest.raises(Exception, match=clause):
        check_pass(pass_class, "bert")

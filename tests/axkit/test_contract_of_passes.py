"""What a pass gives back is held against its contract; its fault is told by name, and earlier stages stay."""

from __future__ import annotations

import math
import sys
import textwrap

import pytest
import torch
from command import axkit, refused
from strangers_modules import Centred

from axkit import Result
from axkit.anatomy.family import family_of
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.trail import TrailStep
from axkit.contract.traits import DIFFERENTIABLE
from axkit.ground import registry
from axkit.ground.errors import PluginError
from axkit.run import obligations as contract
from axkit.run.obligations import Mark, structure_faults, subject_faults
from axkit.run.results import result_faults
from axkit.testing import tiny_subject, tiny_tokenizer


class Plain(Pass[PassConfig]):
    def apply(self, subject, config, tools):
        return Result()


class Trains(Plain):
    trains = True


class EndsGradients(Plain):
    ends = frozenset({DIFFERENTIABLE})


GOOD = Result(
    state={"a": [1, 2.5, None]},
    facts={"x_s": 1.5, "n": 3},
    note="done",
    tables={"t": [{"a": 1, "b": "x"}, {"a": 2, "c": 3.5}]},
    tokenizer=tiny_tokenizer(),
)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "returned None from apply, not an axkit.Result; return Result()"),
        ({"facts": {}}, "returned a value of type 'dict' from apply"),
        (Result, "returned a value of type 'type' from apply"),
        (Result(state=[1]), "a state that is no JSON object (a value of type 'list')"),
        (Result(state={"a": torch.zeros(2)}), "a state that is no JSON object (Object of type Tensor"),
        (Result(state={"a": math.nan}), "a state that is no JSON object (Out of range"),
        (Result(state={"a": b"x"}), "a state that is no JSON object"),
        (Result(state={(1, 2): 3}), "a state that is no JSON object"),
        (Result(facts=None), "returned None as facts"),
        (Result(facts={"x": math.inf}), "returned fact 'x', which is no finite number (inf)"),
        (Result(facts={"x": math.nan}), "which is no finite number (nan)"),
        (Result(facts={"x": "3"}), "which is no finite number ('3')"),
        (Result(facts={"x": True}), "which is no finite number (True)"),
        (Result(facts={"x": None}), "which is no finite number (None)"),
        (Result(facts={"x": torch.tensor(1.0)}), "which is no finite number (tensor(1.))"),
        (Result(facts={"x": 10**400}), "which is no finite number"),
        (Result(facts={3: 1.0}), "returned fact '3'"),
        (Result(note=None), "returned None as note"),
        (Result(tables=[]), "returned a value of type 'list' as tables"),
        (Result(tables={"t": 5}), "returned table 't'"),
        (Result(tables={"t": [5]}), "returned table 't'"),
        (Result(tables={"t": [{"a": math.nan}]}), "returned table 't'"),
        (Result(tables={"t": [{"a": torch.zeros(1)}]}), "returned table 't'"),
        (Result(tokenizer="bert"), "returned a value of type 'str' as tokenizer"),
        (Result(tokenizer=len), "as tokenizer, which is none"),
    ],
)
def test_results(result, said):
    told = list(result_faults(result))
    assert said in told[0]
    assert len(told[0].splitlines()) == 1


def test_a_good_result():
    assert list(result_faults(GOOD)) == []
    assert list(result_faults(Result())) == []


def spoil(module, value):
    with torch.no_grad():
        next(iter(module.parameters())).view(-1)[5] = value


def test_what_is_done_to_the_dense_model_is_seen():
    changes = {
        "changed the dense model": lambda module: spoil(module, 3.0),
        "left the dense model in training mode": lambda module: module.train(),
        "changed which weights of the dense model": lambda module: next(module.parameters()).requires_grad_(False),
        "changed the dense model, which": lambda module: module.register_buffer("more", torch.ones(3)),
    }
    for said, change in changes.items():
        module = tiny_subject(family_of("bert")).module.eval()
        mark = Mark.of(module)
        assert list(mark.faults(module)) == []
        change(module)
        assert any(said in fault for fault in mark.faults(module)), said


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64, torch.uint8, torch.bool])
def test_a_checksum_sees_one_value_of_any_kind(kind):
    module = torch.nn.Module()
    module.register_buffer("a", torch.zeros(3000, dtype=kind))
    module.register_buffer("empty", torch.zeros(0))
    before = Mark.of(module)
    module.a[2999] = 1
    assert Mark.of(module).values != before.values
    module.a[2999] = 0
    assert Mark.of(module) == before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers(value):
    subject = tiny_subject(family_of("bert"))
    assert list(subject_faults(subject, Plain(), contract.learning(subject))) == []
    spoil(subject.module, value)
    assert "no finite numbers (" in next(subject_faults(subject, Plain(), frozenset()))
    assert next(subject_faults(subject, Trains(), frozenset())).endswith("lower its learning rate")


def test_weights_left_frozen():
    subject = tiny_subject(family_of("bert"))
    learned = contract.learning(subject)
    name, first = next(iter(subject.module.named_parameters()))
    first.requires_grad_(False)
    assert next(subject_faults(subject, Plain(), learned)).startswith(
        f"left weights that take no gradients any more ({name})"
    )
    assert list(subject_faults(subject, EndsGradients(), learned)) == []
    assert list(subject_faults(subject, Plain(), learned - {name})) == [], "they were frozen before"


def test_a_structure_is_what_the_module_is(any_family):
    subject = tiny_subject(any_family)
    assert list(structure_faults(subject)) == []
    less = subject.structure.without_heads(0, [1]).without_neurons(0, [0, 5])
    false = subject.copy()
    false.structure = less
    assert "is not what its structure says" in next(structure_faults(false)), "said and not done"
    subject.carve(less)
    assert list(structure_faults(subject)) == []
    subject.structure = false.copy().structure.without_heads(0, [0])
    assert "is not what its structure says" in next(structure_faults(subject))


def test_a_module_of_another_class_is_none_that_a_folder_says():
    subject = tiny_subject(family_of("bert"))
    subject.module.classifier = Centred(subject.module.classifier)
    (told,) = structure_faults(subject)
    assert told == "left a Centred in the place of a Linear (classifier), which no folder says; return a state"
    subject.passed(TrailStep("odd", "axkit-odd 0.3", {}, {"at": "classifier"}))
    assert list(structure_faults(subject)) == []


def test_looking_at_a_structure_throws_no_dice():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    list(structure_faults(tiny := tiny_subject(family_of("bert"))))
    assert tiny
    torch.manual_seed(3)
    list(structure_faults(tiny))
    assert torch.equal(torch.rand(1), expected)


def test_hold():
    contract.hold("odd", iter(()))
    with pytest.raises(PluginError, match=r"^odd left nothing$"):
        contract.hold("odd", iter(("left nothing", "left more")))


HEAD = """\
import os, sys, torch
import axkit
from axkit import Pass, PassConfig, Result

class Odd(Pass[PassConfig]):
    needs = frozenset({"dense"})

    def apply(self, subject, config, tools):
"""
SAID = {
    "return None": (2, "pass 'odd' of axkit_odd 0.3 returned None from apply"),
    "subject.module.classifier.weight.data[0] = float('nan'); return Result()": (2, "left weights that are no finite"),
    "tools.teacher.module.classifier.weight.data += 1; return Result()": (
        2,
        "changed the dense model, which it was only lent",
    ),
    "tools.teacher.module.train(); return Result()": (2, "left the dense model in training mode"),
    "subject.structure = subject.structure.without_heads(0, [1]); return Result()": (
        2,
        "is not what its structure says",
    ),
    "sys.exit(0)": (2, "pass 'odd' of axkit_odd 0.3 tried to end the process (SystemExit: 0)"),
    "raise axkit.NotApplicable('not on this one; leave it off')": (2, "not on this one; leave it off"),
}


def test_a_run_tells_it_and_keeps_what_was_finished(workplace, monkeypatch, capsys):
    place = workplace / "site"
    (place / "axkit_odd-0.3.dist-info").mkdir(parents=True)
    (place / "axkit_odd-0.3.dist-info" / "entry_points.txt").write_text("[axkit.passes]\nodd = odd_pass:Odd\n")
    monkeypatch.syspath_prepend(place)
    wanted = ("--set", "passes=[{pass: finetune, epochs: 0.1}, {pass: odd}]")

    def apply(body):
        (place / "odd_pass.py").write_text(HEAD + textwrap.indent(body, "        "))
        sys.modules.pop("odd_pass", None)
        sys.dont_write_bytecode = True
        registry.forget()
        return axkit("apply", "recipe.yaml", *wanted, monkeypatch=monkeypatch, capsys=capsys)

    try:
        for index, (body, (_, said)) in enumerate(SAID.items()):
            result = apply(body)
            assert len(refused(result, said)) == 1
            assert ("finished earlier, reused" in result[2]) == bool(index)
        with pytest.raises(KeyError) as caught:
            apply("raise KeyError('a bug')")
        assert "This is a bug of pass 'odd' of axkit_odd 0.3. Finished stages are kept" in caught.value.__notes__[0]
        assert not (workplace / "runs" / "tiny").exists()
        assert apply("return Result(note='nothing to do')")[0] == 0, "none of it was left behind"
    finally:
        sys.dont_write_bytecode = False
        sys.modules.pop("odd_pass", None)
        monkeypatch.undo()
        registry.forget()

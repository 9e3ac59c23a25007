"""What passes did is rebuilt in their order: carved and then given modules of another form, or the other way round."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from golden import write_0_1_0
from strangers import CutsAfter, CutsFirst, EndsIt, Gain, OnceOnly, OnlyDense, Seal

import axkit
from axkit.anatomy.family import family_of
from axkit.contract.passes import PassConfig
from axkit.contract.subject import TrailStep
from axkit.contract.traits import FLOAT_WEIGHTS, INITIAL_TRAITS
from axkit.ground import registry
from axkit.ground.errors import CheckpointError
from axkit.kit import state_of_ranges
from axkit.report.run_folder import write_run
from axkit.run.recipe import read_source
from axkit.runtimes.folder import load_subject, save
from axkit.testing import check_pass, lend, logits_of, reload, tiny_split, tiny_subject, tiny_tokenizer
from axkit.testing.orders import ORDERS as ORDERS_TRIED
from axkit.testing.orders import Ordered, order_faults

STRANGERS = {
    "gain": "Gain",
    "seal": "Seal",
    "ends_it": "EndsIt",
    "only_dense": "OnlyDense",
    "cuts_first": "CutsFirst",
    "cuts_after": "CutsAfter",
    "once_only": "OnceOnly",
}


@pytest.fixture(autouse=True)
def strangers(monkeypatch):
    """Registered, as if their distribution were installed."""
    real = registry.entries
    theirs = {
        name: registry.Entry(registry.PASSES, name, f"strangers:{made}", "strangers 1.0")
        for name, made in STRANGERS.items()
    }
    monkeypatch.setattr(registry, "entries", lambda group: real(group) | (theirs if group == registry.PASSES else {}))


def cut(subject, number):
    """One of several cuts that can follow one another, and how it is told."""
    now = subject.structure
    then = [
        lambda: now.without_heads(0, [1]).without_neurons(1, range(4)),
        lambda: now.without_ffn(0).without_heads(2, [0, 3]).change(1, hard_k=4),
        lambda: now.without_layer(1),
        lambda: replace(now, first_token_only=True),
        lambda: now.without_layer(2),
    ][number]()
    subject.carve(then)
    subject.passed(TrailStep(f"cut {number}", "test"))


def gained(subject, tmp_path):
    config = PassConfig()
    subject.passed(TrailStep("gain", "test", config.model_dump(), Gain().apply(subject, config, None).state))
    with torch.no_grad():
        for name, buffer in subject.module.named_buffers():
            if name.endswith("gain"):
                buffer.uniform_(0.5, 2)


def stated(subject, tmp_path):
    """A pass with a state that carves as well."""
    config = PassConfig()
    subject.passed(TrailStep("cuts_first", "test", config.model_dump(), CutsFirst().apply(subject, config, None).state))


def learned(subject, tmp_path):
    """A state without modules, as q8bert's, which int8 goes by."""
    ranges = {name: (-2.0, 2.0) for name, one in subject.module.named_modules() if isinstance(one, torch.nn.Linear)}
    config = registry.get(registry.PASSES, "q8bert").Config()
    subject.passed(TrailStep("q8bert", "test", config.model_dump(mode="json"), state_of_ranges(ranges)))


def quantized(subject, tmp_path):
    runner = registry.get(registry.PASSES, "int8")()
    config = runner.Config()
    result = runner.apply(subject, config, lend(tmp_path))
    subject.passed(TrailStep("int8", "test", config.model_dump(mode="json"), result.state, result.facts))


MADE = {"g": gained, "q": quantized, "b": stated, "l": learned}
ORDERS = ["0g", "g0", "0g1", "g01", "gg", "0g1g2", "g0q", "0g1q", "01q"]
ORDERS += ["b", "b1", "0b", "g0b1g2q", "l0q", "gl1q"]
FIRST_TOKEN = ["3g4", "g34", "3g4b"]
CASES = [(name, order) for name in ("bert", "distilbert", "modernbert") for order in ORDERS]
CASES += [("distilbert", order) for order in FIRST_TOKEN]


@pytest.mark.parametrize(("name", "order"), CASES)
def test_any_order_of_carving_and_new_modules_reloads_exactly(name, order, tmp_path):
    """g: modules of another form that can still be carved; b: the same, carving itself; l: q8bert's state; q: int8;
    a number: a cut, 3 the first token alone, 4 the last layer."""
    subject, split = tiny_subject(family_of(name)), tiny_split()
    for letter in order:
        made = MADE.get(letter)
        if made is None:
            cut(subject, int(letter))
        else:
            made(subject, tmp_path)
    subject.module.eval()
    once = reload(subject, tiny_tokenizer())
    again = reload(once, tiny_tokenizer())
    for one in (once, again):
        assert torch.equal(logits_of(one.module, split), logits_of(subject.module, split))
        assert one.structure == subject.structure
        assert one.trail == tuple(replace(step, facts={}) for step in subject.trail), "facts are the report's"


def test_only_what_differs_from_the_end_is_written(tmp_path):
    subject = tiny_subject(family_of("bert"))
    cut(subject, 0)
    gained(subject, tmp_path)
    cut(subject, 1)
    quantized(subject, tmp_path)
    save(subject, tiny_tokenizer(), tmp_path)
    trail = json.loads((tmp_path / "axkit.json").read_text())["trail"]
    assert ["structure" in step for step in trail] == [True, True, False, False]
    described = json.loads((tmp_path / "config.json").read_text())["axkit"]
    assert [(step["name"], "structure" in step) for step in described["trail"]] == [("gain", True), ("int8", False)]


@pytest.mark.parametrize("order", ["0", "q", "0q", "01q", "0g", "01g"])
def test_folders_of_0_1_0_load(order, tmp_path):
    subject, split = tiny_subject(family_of("bert")), tiny_split()
    for letter in order:
        made = MADE.get(letter)
        if made is None:
            cut(subject, int(letter))
        else:
            made(subject, tmp_path)
    subject.module.eval()
    write_0_1_0(subject, tiny_tokenizer(), tmp_path / "old")
    old = load_subject(tmp_path / "old")
    assert torch.equal(logits_of(old.module, split), logits_of(subject.module, split))
    assert old.structure == subject.structure
    if "q" not in order:  # what such a folder holds goes on to be carved, saved and loaded
        cut(old, 2)
        assert torch.equal(logits_of(reload(old, tiny_tokenizer()).module, split), logits_of(old.module, split))


def test_a_trail_that_puts_back_what_was_removed_is_refused(tmp_path):
    subject = tiny_subject(family_of("bert"))
    gained(subject, tmp_path)
    cut(subject, 0)
    save(subject, tiny_tokenizer(), tmp_path)
    (tmp_path / "axkit.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    less = subject.structure.without_ffn(2).to_json()
    config["axkit"]["trail"][0]["structure"] = less
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="what an earlier one removed; save the model again"):
        load_subject(tmp_path)


def test_check_pass_takes_a_state_that_stands_being_carved():
    check_pass(Gain, "bert", "gain")
    check_pass(EndsIt, "bert", "ends_it")  # nobody may carve after it
    assert FLOAT_WEIGHTS in INITIAL_TRAITS - Gain.ends


def test_check_pass_refuses_a_state_that_does_not_stand_being_carved():
    with pytest.raises(
        AssertionError, match=r"keeps float_weights .* holds no float weights that can be sliced; put FLOAT_WEIGHTS in"
    ):
        check_pass(Seal, "bert", "seal")


def test_check_pass_refuses_a_restore_that_fits_the_dense_model_only():
    with pytest.raises(AssertionError, match=r"a cut, then the pass leave, does not reload .*; mend restore"):
        check_pass(OnlyDense, "bert", "only_dense")


def test_a_recipe_that_carves_a_stranger_s_modules_is_kept_resumed_and_loaded(workplace):
    text = (workplace / "recipe.yaml").read_text()
    text = (
        text[: text.index("passes:")]
        + """passes:
  - {pass: finetune, epochs: 1}
  - {pass: gain}
  - {pass: axformer_prune, tolerance: 1.0, vote: 0.0}
  - {pass: int8, budget: {max_drop: 100}}
"""
    )
    recipe = read_source(text, "r.yaml")
    first = axkit.apply(recipe, runs="runs")
    removed = first.stages[2].record.told.facts
    assert sum(removed[f"removed_{what}"] for what in ("ffn_blocks", "attention_blocks", "heads", "neurons")), (
        "premise: something was carved after the stranger's pass"
    )
    again = axkit.apply(recipe, runs="runs")
    assert all(stage.record.reused for stage in again.stages)
    write_run(first, workplace / "out")
    loaded, split = axkit.load(workplace / "out"), tiny_split()
    for model in (again.subject.module, loaded):
        assert torch.equal(logits_of(model, split), logits_of(first.subject.module, split))


WRONG = {
    "seal": (Seal, r"that the pass, then a cut leave, cannot be made .*put FLOAT_WEIGHTS in ends"),
    "only_dense": (OnlyDense, r"that a cut, then the pass leave, .* it must go by the model that it gets"),
    "cuts_after": (
        CutsAfter,
        r"that the pass leaves, does not reload .*; mend restore: it gets a model that",
    ),
    "once_only": (OnceOnly, r"that the pass, then the pass leave, does not reload .*put in ends what"),
}


@pytest.mark.parametrize("name", WRONG)
def test_orders_that_do_not_reload_are_told(name, tmp_path):
    made, said = WRONG[name]
    faults = list(order_faults(Ordered(made(), PassConfig(), name, tmp_path), tiny_subject(family_of("bert"))))
    assert len(faults) == 1
    assert re.search(said, faults[0]), faults[0]


@pytest.mark.parametrize(("name", "made"), [("gain", Gain), ("cuts_first", CutsFirst), ("ends_it", EndsIt)])
def test_orders_that_reload_are_no_fault(name, made, tmp_path):
    ordered = Ordered(made(), PassConfig(), name, tmp_path)
    assert not list(order_faults(ordered, tiny_subject(family_of("bert"))))


def test_only_orders_that_traits_allow_are_tried(tmp_path):
    allowed = {one: len(list(Ordered(one(), PassConfig(), "x", tmp_path).allowed())) for one in (Gain, EndsIt)}
    assert allowed == {Gain: len(ORDERS_TRIED), EndsIt: 2}

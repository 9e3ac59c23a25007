"""Every ordered pair of our passes runs and keeps the contract, or is refused in one sentence; triples are planned."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from functools import cache

import pytest
import torch
from ours import OURS, SETTINGS

from axkit.anatomy.family import family_of
from axkit.contract.subject import TrailStep
from axkit.ground.errors import NotApplicable, RecipeError
from axkit.ground.quiet import quiet
from axkit.run.order import check_order
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.testing import lend, logits_of, reload, tiny, tiny_split, tiny_subject, tiny_tokenizer
from axkit.testing.looks import answers_of

WAYS_OUT = ("put '", "leave one of the two out", "leave the pass out", "use ", "keep ", "skip ")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tiny bert with a trained head's shape, wide enough for every kernel, and data in files."""
    folder = tmp_path_factory.mktemp("pairs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny.TINY, "hidden", 64)
        patch.setitem(tiny.TINY, "ffn_width", 64)
        patch.chdir(folder)
        patch.setenv("HF_DATASETS_CACHE", str(folder / "hf"))
        with quiet():
            tiny_subject(family_of("bert")).module.save_pretrained(folder / "model")
        tiny_tokenizer().save_pretrained(folder / "model")
        rows = [{"sentence": f"the film {i} was {'good' if i % 2 else 'bad'}", "label": i % 2} for i in range(60)]
        for name in ("train", "test"):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        yield folder


def planned(*names):
    """The passes of a recipe, checked; raises RecipeError."""
    steps = "".join(f"  - {json.dumps({'pass': name, **SETTINGS.get(name, {})})}\n" for name in names)
    task = "{kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("axkit.run.planning.baseline_of", lambda steps: 0)  # as if in a longer recipe: there is a teacher
        return plan(read_source(f"axkit: 1\nname: x\nmodel: model\ntask: {task}\npasses:\n{steps}", "r.yaml")).steps


def applied(step, subject, tools):
    """One stage, as the engine runs it; the subject comes back through a folder, with what the next one is lent."""
    worked, before = subject.copy(), logits_of(subject.module, tools.search)
    result = step.runner.apply(worked, step.config, tools)
    if worked.has_module:
        worked.module.eval()
    assert all(math.isfinite(value) for value in result.facts.values())
    trail = TrailStep(step.name, "test", step.config.model_dump(mode="json"), result.state, result.facts)
    worked.trail = (*subject.trail, trail)
    if worked.reader is not subject.reader:
        search = tiny_split(40, 2, worked.reader)
        train = tiny_split(40, 1, worked.reader)
        tools = dataclasses.replace(tools, reader=worked.reader, search=search, train=train)
    now = answers_of(worked, tools.search)
    assert torch.isfinite(now).all()
    same = worked.structure == subject.structure and result.state is None and worked.reader is subject.reader
    if same and torch.equal(now.float(), before.float()):
        assert result.note, "it did nothing, and does not say so"
    again = reload(worked, tools.reader)
    assert (answers_of(again, tools.search) - now).abs().max() <= 1e-5
    assert again.structure == worked.structure
    assert again.structure.is_within(subject.structure)
    return again, tools


@pytest.fixture(scope="module")
def after(place):
    """first pass -> (subject, tools) after it."""

    @cache
    def made(name):
        dense = tiny_subject(family_of("bert"))
        folder = place / "first" / name
        tools = dataclasses.replace(lend(folder, dense.module), model_folder=str(place / "model"))
        return applied(planned(name)[0], dense, tools)

    return made


@pytest.mark.parametrize("second", OURS)
@pytest.mark.parametrize("first", OURS)
def test_pair(first, second, place, after, tmp_path):
    try:
        step = planned(first, second)[1]
    except RecipeError as error:
        check_refusal(error, first)
        return
    subject, tools = after(first)
    lent = dataclasses.replace(tools, journal=lend(tmp_path).journal)
    before = logits_of(subject.module, tools.search)
    try:
        applied(step, subject, lent)
    except NotApplicable as error:
        check_refusal(error, first)
    assert torch.equal(logits_of(subject.module, tools.search), before), "the subject before was changed"


def check_refusal(error, first):
    sentence = str(error)  # several faults would be several lines
    assert f"'{first}'" in sentence
    assert any(way in sentence for way in WAYS_OUT), sentence
    assert "\n" not in sentence


def test_some_pairs_are_refused_and_the_reason_fits(place):
    with pytest.raises(RecipeError, match=r"needs float_weights, which 'int8' \(pass 0\) ends; put 'structured'"):
        planned("int8", "structured")
    with pytest.raises(RecipeError, match=r"needs full_precision, which 'bf16' \(pass 0\) ends; leave one of the two"):
        planned("bf16", "int8")
    with pytest.raises(RecipeError, match=r"needs differentiable, which 'bf16' \(pass 0\) ends; put 'finetune' before"):
        planned("bf16", "finetune")
    with pytest.raises(RecipeError, match="leave one of the two out"):
        planned("int4_vsq", "int8_bnb")
    assert len(planned("structured", "hard_attention", "vocab", "q8bert", "int8")) == 5


@pytest.fixture(scope="module")
def alone(place):
    """Every pass, planned as the only one of a recipe."""
    return {name: planned(name)[0] for name in OURS}


def order_faults(steps):
    """What is wrong with the order of some planned passes; nothing is read or parsed for it."""
    source = read_source(
        f"axkit: 1\nname: x\nmodel: m\ntask: t\npasses: [{', '.join(['{pass: int8}'] * len(steps))}]", "r"
    )
    faults = []
    check_order(source, [dataclasses.replace(step, index=index) for index, step in enumerate(steps)], faults)
    return faults


@pytest.fixture(scope="module")
def clash(alone):
    """(first, second) -> whether the two are refused in that order."""
    return {(a, b): bool(order_faults([alone[a], alone[b]])) for a in OURS for b in OURS}


@pytest.mark.parametrize("first", OURS)
def test_triples_are_planned_as_their_pairs_are(first, alone, clash):
    """A step is refused exactly where an earlier one refuses it, whichever stands between, and the sentence says so."""
    for second, third in itertools.product(OURS, repeat=2):
        names = (first, second, third)
        faults = order_faults([alone[name] for name in names])
        earlier = {1: [0], 2: [0, 1]}
        wrong = {step: [i for i in before if clash[names[i], names[step]]] for step, before in earlier.items()}
        assert len(faults) == sum(map(bool, wrong.values())), names
        for fault, (step, culprits) in zip(faults, ((s, c) for s, c in wrong.items() if c), strict=True):
            assert f"'{names[step]}' needs" in fault
            assert any(f"'{names[i]}' (pass {i}) ends" in fault for i in culprits), fault
            assert any(way in fault for way in WAYS_OUT), fault

"""``check_pass``: a pass is held to its contract on a tiny random model."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from axkit.anatomy.family import Family, family_of
from axkit.anatomy.structure import Structure
from axkit.contract.passes import Pass
from axkit.contract.subject import Subject, TrailStep
from axkit.contract.tools import Tools
from axkit.contract.traits import FLOAT_WEIGHTS, TORCH_MODULE
from axkit.ground.errors import NotApplicable
from axkit.ground.quiet import quiet
from axkit.run import obligations as contract
from axkit.tasks.split import Split
from axkit.testing.lent import ROWS, lend
from axkit.testing.looks import TOLERANCE, logits_of, reload, say
from axkit.testing.tiny import tiny_split, tiny_subject


def check_pass(pass_class: type[Pass[Any]], family: str | Family, name: str | None = None, **settings: Any) -> Subject:
    """Hold a pass to its contract on a tiny model: it runs, claims nothing false, and its result survives saving.

    Args:
        pass_class: the pass.
        family: a registered model_type, or a Family.
        name: the registered name; needed only by a pass with a ``restore``.
        settings: of its Config.

    Returns:
        The subject after the pass.

    Raises:
        AssertionError: with the broken clause.
        NotApplicable: the pass refuses this family; that is a way of keeping the contract.
    """
    known = family if isinstance(family, Family) else family_of(family)
    runner, config = pass_class(), pass_class.Config(**settings)
    runner.check(known, config)
    with tempfile.TemporaryDirectory() as scratch:
        dense = tiny_subject(known)
        with quiet():
            dense.module.save_pretrained(scratch)
        tools = lend(Path(scratch), dense, family=known, to=(runner, config))
        before = logits_of(dense.module, tiny_split(ROWS, 2, tools.reader, known))
        subject = dense.copy()
        mark, learned = contract.Mark.of(dense.module), contract.learning(subject)
        result = runner.apply(subject, config, tools)
        faults = [*contract.result_faults(result), *mark.faults(dense.module)]
        faults += contract.subject_faults(subject, runner, learned)
        if not faults and result.state is None:
            faults += contract.structure_faults(subject)
        say(not faults, f"the pass {'; '.join(faults)}")
        subject.module.eval()
        say(subject.structure.is_within(dense.structure), "the structure has what the dense model never had")
        contract.take_reader("the pass", result, subject)
        faults += contract.reader_faults(subject.reader, dense.reader, runner)
        say(not faults, f"the pass {'; '.join(faults)}")
        tokenizer = subject.reader
        search = tiny_split(ROWS, 2, tokenizer, known)
        step = TrailStep(name or pass_class.__name__, "test", config.model_dump(), result.state, result.facts)
        subject.passed(step)
        after = logits_of(subject.module, search)
        say(bool(torch.isfinite(after).all()), "the result's logits are not finite")
        same = subject.is_stock and tokenizer is dense.reader and bool(torch.equal(before, after))
        say(not same or bool(result.note), "the pass changed nothing and its note does not say so")
        again = reload(subject, tokenizer)
        gap = float((logits_of(again.module, search) - after).abs().max())
        say(gap <= TOLERANCE, f"the reloaded model's logits differ by {gap:.2g}")
        say(again.structure == subject.structure, "the structure changed on its way through a folder")
        if result.state is not None:
            _check_carved_after(runner, subject, tokenizer, search)
            fresh = lend(Path(scratch) / "carved", dense, family=known, to=(runner, config))
            _check_carved_before(runner, config, step, dense, fresh)
    return subject


def _check_carved_after(runner: Pass[Any], subject: Subject, tokenizer: Any, search: Split) -> None:
    """A pass with a state after which other passes may carve: the state must fit what is carved, too."""
    if {TORCH_MODULE, FLOAT_WEIGHTS} & runner.ends:
        return
    carved = subject.copy()
    try:
        carved.carve(_less(carved.structure))
        after = logits_of(carved.module, search)
        gap = float((logits_of(reload(carved, tokenizer).module, search) - after).abs().max())
    except Exception as error:  # what the author's modules and restore make of it
        raise AssertionError(
            f"the pass has a state and keeps float_weights, but what a later pass carves does not reload ({error}); "
            f"mend restore, or put FLOAT_WEIGHTS in ends"
        ) from error
    say(gap <= TOLERANCE, f"carved after the pass, the reloaded model's logits differ by {gap:.2g}")


def _check_carved_before(runner: Pass[Any], config: Any, step: TrailStep, dense: Subject, tools: Tools) -> None:
    """The same pass on a model that was carved before it, unless it refuses that."""
    subject = dense.copy()
    subject.carve(_less(subject.structure))
    try:
        result = runner.apply(subject, config, tools)
    except NotApplicable:
        return
    subject.module.eval()
    subject.passed(replace(step, state=result.state))
    contract.take_reader("the pass", result, subject)
    tokenizer = subject.reader
    search = tiny_split(ROWS, 2, tokenizer, dense.family)
    after = logits_of(subject.module, search)
    try:
        gap = float((logits_of(reload(subject, tokenizer).module, search) - after).abs().max())
    except Exception as error:  # likewise
        raise AssertionError(f"what it makes of a carved model does not reload ({error}); mend restore") from error
    say(gap <= TOLERANCE, f"what it makes of a carved model, reloaded, has logits that differ by {gap:.2g}")


def _less(structure: Structure) -> Structure:
    """Without a head and some neurons of each layer that has them; of several layers the first loses a block."""
    for index, layer in enumerate(structure.layers):
        structure = structure.without_heads(index, layer.heads[:1]).without_neurons(index, layer.neurons[:8])
    return structure.without_ffn(0) if len(structure.layers) > 1 and structure.layers[0].present else structure

"""Contract tests for plugins: ``check_pass`` and ``check_family`` on tiny random models, without network or data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from axkit.anatomy.family import Family, family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import check_first_token
from axkit.contract.passes import Pass
from axkit.contract.subject import Subject, TrailStep
from axkit.contract.tools import Tools
from axkit.contract.traits import FLOAT_WEIGHTS, TORCH_MODULE
from axkit.ground.errors import NotApplicable
from axkit.ground.progress import Silent
from axkit.ground.quiet import quiet
from axkit.run import obligations as contract
from axkit.run.journal import FileJournal
from axkit.runtimes.torch.folder import load_subject, save
from axkit.tasks.split import Split
from axkit.testing.tiny import tiny_model, tiny_reader, tiny_split, tiny_subject, tiny_tokenizer

__all__ = [
    "check_family",
    "check_pass",
    "logits_of",
    "reload",
    "tiny_model",
    "tiny_reader",
    "tiny_split",
    "tiny_subject",
    "tiny_tokenizer",
    "tiny_tools",
]

TOLERANCE = 1e-5


def tiny_tools(folder: Path, teacher: Any = None, rows: int = 40, family: Family | None = None) -> Tools:
    """What the engine would lend a pass, on tiny data; the journal is in ``folder``."""
    tokenizer = tiny_reader(family) if family is not None else tiny_tokenizer()
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return Tools(
        train=tiny_split(rows, 1, tokenizer, family),
        search=tiny_split(rows, 2, tokenizer, family),
        teacher=teacher,
        tokenizer=tokenizer,
        model_folder=str(folder),
        seed=7,
        progress=Silent(),
        journal=FileJournal(folder / "journal.jsonl"),
        scratch=scratch,
    )


def logits_of(model: Any, split: Split) -> torch.Tensor:
    """Logits for all rows in padded batches of 16, in eval mode: (rows, labels)."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(**batch.inputs).logits for batch in split.batches(16)])


def reload(subject: Subject, tokenizer: Any) -> Subject:
    """Save to a temporary folder and load again."""
    with tempfile.TemporaryDirectory() as folder:
        save(subject, tokenizer, Path(folder))
        return load_subject(folder)


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
        tools = tiny_tools(Path(scratch), teacher=dense.module, family=known)
        before = logits_of(dense.module, tools.search)
        subject = dense.copy()
        mark, learned = contract.Mark.of(dense.module), contract.learning(subject)
        result = runner.apply(subject, config, tools)
        faults = [*contract.result_faults(result), *mark.faults(dense.module)]
        faults += contract.subject_faults(subject, runner, learned)
        if not faults and result.state is None:
            faults += contract.structure_faults(subject)
        _say(not faults, f"the pass {'; '.join(faults)}")
        subject.module.eval()
        _say(subject.structure.is_within(dense.structure), "the structure has what the dense model never had")
        tokenizer = result.tokenizer or tools.tokenizer
        search = tiny_split(len(tools.search), 2, tokenizer, known)
        step = TrailStep(name or pass_class.__name__, "test", config.model_dump(), result.state, result.facts)
        subject.passed(step)
        after = logits_of(subject.module, search)
        _say(bool(torch.isfinite(after).all()), "the result's logits are not finite")
        same = subject.is_stock and result.tokenizer is None and bool(torch.equal(before, after))
        _say(not same or bool(result.note), "the pass changed nothing and its note does not say so")
        again = reload(subject, tokenizer)
        gap = float((logits_of(again.module, search) - after).abs().max())
        _say(gap <= TOLERANCE, f"the reloaded model's logits differ by {gap:.2g}")
        _say(again.structure == subject.structure, "the structure changed on its way through a folder")
        if result.state is not None:
            _check_carved_after(runner, subject, tokenizer, search)
            fresh = tiny_tools(Path(scratch) / "carved", teacher=dense.module, family=known)
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
    _say(gap <= TOLERANCE, f"carved after the pass, the reloaded model's logits differ by {gap:.2g}")


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
    tokenizer = result.tokenizer or tools.tokenizer
    search = tiny_split(len(tools.search), 2, tokenizer, dense.family)
    after = logits_of(subject.module, search)
    try:
        gap = float((logits_of(reload(subject, tokenizer).module, search) - after).abs().max())
    except Exception as error:  # likewise
        raise AssertionError(f"what it makes of a carved model does not reload ({error}); mend restore") from error
    _say(gap <= TOLERANCE, f"what it makes of a carved model, reloaded, has logits that differ by {gap:.2g}")


def _less(structure: Structure) -> Structure:
    """Without a head and some neurons of each layer that has them; of several layers the first loses a block."""
    for index, layer in enumerate(structure.layers):
        structure = structure.without_heads(index, layer.heads[:1]).without_neurons(index, layer.neurons[:8])
    return structure.without_ffn(0) if len(structure.layers) > 1 and structure.layers[0].present else structure


def check_family(family: Family) -> None:
    """Hold a family file to its contract: what is removed by it equals what is masked, and survives saving.

    Raises:
        AssertionError: with the element that differs.
    """
    dense = tiny_subject(family)
    split = tiny_split(24, family=family)
    n = dense.structure
    end = len(n.layers) - 1  # 0 where all layers are one
    middle = min(1, end)
    cases: dict[str, Structure] = {
        "attention block": n.without_attention(middle),
        "feed-forward block": n.without_ffn(middle),
        "whole layer": n.without_attention(0).without_ffn(0),
        "heads": n.without_heads(0, [1]).without_heads(end, [0, 3]),
        "every head": n.without_heads(middle, range(n.n_heads)),
        "neurons": n.without_neurons(0, [0, 5, 23]).without_neurons(end, range(12)),
        "every neuron": n.without_neurons(middle, range(n.ffn_width)),
    }
    if not family.shared_layers:
        cases["layer with its norms"] = n.without_layer(middle)
        cases["last layer with its norms"] = n.without_layer(end)
    for what, structure in cases.items():
        subject = dense.copy()
        subject.carve(structure)
        masked = _masked_logits(dense, structure, split)
        gap = float((logits_of(subject.module, split) - masked).abs().max())
        _say(gap <= TOLERANCE, f"{what}: removed and masked differ by {gap:.2g}")
        again = reload(subject, tiny_reader(family))
        gap = float((logits_of(again.module, split) - masked).abs().max())
        _say(gap <= TOLERANCE, f"{what}: reloaded and masked differ by {gap:.2g}")
    expected = logits_of(dense.module, split)
    for k, binds in ((int(split.lengths.max()), False), (2, True)):
        subject = dense.copy()
        subject.carve(n.change(middle, hard_k=k))
        gap = float((logits_of(subject.module, split) - expected).abs().max())
        _say((gap > TOLERANCE) == binds, f"hard attention with K = {k} changes the logits by {gap:.2g}")
    if check_first_token(dense.module, family):
        subject = dense.copy()
        subject.carve(Structure(n.layers, n.n_heads, n.ffn_width, first_token_only=True))
        gap = float((logits_of(subject.module, split) - expected).abs().max())
        _say(gap <= TOLERANCE, f"first token only differs by {gap:.2g}")


def _masked_logits(dense: Subject, structure: Structure, split: Split) -> torch.Tensor:
    """The dense model with outputs zeroed by hooks: what removing has to equal."""
    masked = dense.copy()
    size = masked.family.size(masked.module.config, "hidden") // structure.n_heads
    for layer in masked.layers:
        left = structure.layers[layer.index]
        heads = torch.zeros(structure.n_heads)
        heads[list(left.heads)] = 1
        neurons = torch.zeros(structure.ffn_width)
        neurons[list(left.neurons)] = 1
        layer.attention_out.register_forward_pre_hook(_times(heads.repeat_interleave(size)))
        layer.ffn_out.register_forward_pre_hook(_times(neurons))
        if not left.attention:
            layer.attention_out.register_forward_hook(_nothing)
        if not left.ffn:
            layer.ffn_out.register_forward_hook(_nothing)
        if not left.present:
            layer.module.register_forward_hook(_in_is_out)
    return logits_of(masked.module, split)


def _times(mask: torch.Tensor) -> Callable[..., Any]:
    return lambda module, args: (args[0] * mask,)


def _nothing(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(output)


def _in_is_out(module: Any, args: Any, output: Any) -> Any:
    return (args[0], *output[1:]) if isinstance(output, tuple) else args[0]


def _say(kept: bool, clause: str) -> None:
    if not kept:
        raise AssertionError(clause)

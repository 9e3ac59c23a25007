"""A pass is lent what it declares: using anything else is one sentence with its name."""

from __future__ import annotations

import dataclasses
import sys
import textwrap

import pytest
import torch
from command import axkit, refused

from axkit.anatomy.family import family_of
from axkit.contract.lending import LENT, check_words, lent
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.result import Result
from axkit.contract.tools import Tools
from axkit.ground import registry
from axkit.ground.errors import PluginError
from axkit.testing import check_pass, lend, tiny_split, tiny_subject, tiny_tokenizer, tiny_tools
from axkit.testing.lent import lend as same


@pytest.fixture
def everything(tmp_path):
    split = tiny_split(8)
    return lend(tmp_path, tiny_subject(family_of("bert"), 1), rows=8, dense_search=split)


USES = {
    "an attribute": lambda it: it.batches,
    "its length": len,
    "its truth": bool,
    "a call": lambda it: it(input_ids=None),
    "going through": list,
    "an item": lambda it: it[0],
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("what", LENT)
def test_what_is_not_declared_is_not_lent(everything, what, use):
    words = set().union(*LENT.values()) - set(LENT[what])
    tools = lent(everything, "pass 'odd' of axkit-odd 0.3", words)
    said = f"^pass 'odd' of axkit-odd 0.3 uses tools.{what}, which it did not declare .*add '{LENT[what][0]}'"
    with pytest.raises(PluginError, match=said):
        USES[use](getattr(tools, what))


@pytest.mark.parametrize("what", LENT)
def test_each_word_brings_what_it_says(everything, what):
    for word in LENT[what]:
        assert getattr(lent(everything, "odd", {word}), what) is getattr(everything, what)


def test_what_is_not_lent_may_be_handed_on(everything):
    tools = dataclasses.replace(lent(everything, "odd", {"search"}), seed=3)
    assert tools.search is everything.search
    with pytest.raises(PluginError, match=r"uses tools\.train"):
        tools.train.first(3)


def test_dense_rows_are_search_rows(everything):
    assert lent(everything, "odd", {"dense"}).dense_rows is everything.dense_search
    assert lent(everything, "odd", {"search"}).dense_rows is everything.dense_search
    with pytest.raises(PluginError, match=r"uses tools\.dense_search, .*add 'dense' or 'search'"):
        len(lent(everything, "odd", {"train"}).dense_rows)


def test_a_word_that_brings_nothing_is_refused():
    check_words("odd", frozenset({"train", "dense"}))
    with pytest.raises(PluginError, match=r"^odd needs 'tain', and there is nothing of that.*did you mean 'train'"):
        check_words("odd", frozenset({"tain"}))


class _Peeks(Pass[PassConfig]):
    """Decides on rows that it never asked for."""

    def apply(self, subject, config, tools):
        return Result(note=f"{len(tools.search)} rows")


class _Asks(_Peeks):
    needs = frozenset({"search", "train"})

    def needs_of(self, config):
        return frozenset({"train"})


class _Says(_Peeks):
    needs = frozenset({"search"})


def test_check_pass_lends_what_is_declared():
    check_pass(_Says, "bert")
    for pass_class in (_Peeks, _Asks):
        with pytest.raises(AssertionError, match=r"the pass uses tools.search, which it did not declare .*'loans'"):
            check_pass(pass_class, "bert")


def test_the_teacher_is_a_subject_and_still_answers_as_a_model(everything):
    teacher, batch = everything.teacher, everything.search.batch([0, 1])
    expected = teacher.module(**batch.inputs).logits
    assert teacher.structure.is_dense
    assert teacher.copy().module is not teacher.module
    with pytest.warns(DeprecationWarning, match=r"^tools\.teacher\(\.\.\.\) asks .* use tools.teacher.module"):
        assert torch.equal(teacher(**batch.inputs).logits, expected)
    with pytest.warns(DeprecationWarning, match=r"^tools\.teacher\.config asks the model"):
        assert teacher.config is teacher.module.config
    with pytest.warns(DeprecationWarning, match="teacher.confg"), pytest.raises(AttributeError, match="no attribute"):
        teacher.confg  # noqa: B018
    with pytest.warns(DeprecationWarning, match="tools.teacher is a Subject now"):
        scored = everything.dense_rows.evaluate(teacher)
    assert scored.loss == everything.dense_rows.evaluate(teacher.module).loss


def test_the_former_names_still_work(tmp_path):
    with pytest.warns(DeprecationWarning, match="call axkit.testing.lend"):
        tools = tiny_tools(tmp_path)
    with pytest.warns(DeprecationWarning, match="use subject.reader"):
        assert tools.tokenizer is tools.reader
    assert isinstance(tools, Tools)
    assert lend is same


def test_lend_takes_rows_of_one_s_own(tmp_path):
    rows, reader = tiny_split(5), tiny_tokenizer()
    tools = lend(tmp_path, train=rows, reader=reader)
    assert tools.train is rows
    assert tools.reader is tools.search.tokenizer is reader


HEAD = """\
import axkit
from axkit import Pass, PassConfig, Result

class Odd(Pass[PassConfig]):
    needs = frozenset({NEEDS})

    def apply(self, subject, config, tools):
"""
CASES = [
    ("'train'", "tools.search.evaluate(subject.module)", "uses tools.search, which it did not declare"),
    ("'search'", "tools.teacher.module", "uses tools.teacher, which it did not declare"),
    ("'serch'", "pass", "needs 'serch', and there is nothing of that name to be lent; did you mean 'search'"),
    ("'search'", "tools.run(subject, 'recover')", "runs its setting 'recover', which names no pass here"),
]


def test_a_run_lends_what_is_declared(workplace, monkeypatch, capsys):
    place = workplace / "site"
    (place / "axkit_odd-0.3.dist-info").mkdir(parents=True)
    (place / "axkit_odd-0.3.dist-info" / "entry_points.txt").write_text("[axkit.passes]\nodd = odd_lent:Odd\n")
    monkeypatch.syspath_prepend(place)
    wanted = ("--set", "passes=[{pass: finetune, epochs: 0.1}, {pass: odd}]")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    try:
        for needs, body, said in CASES:
            text = HEAD.replace("NEEDS", needs) + textwrap.indent(f"{body}\nreturn Result(note='x')", "        ")
            (place / "odd_lent.py").write_text(text)
            sys.modules.pop("odd_lent", None)
            registry.forget()
            told = refused(axkit("apply", "recipe.yaml", *wanted, monkeypatch=monkeypatch, capsys=capsys), said)
            assert "pass 'odd' of axkit_odd 0.3 " in told[0]
    finally:
        sys.modules.pop("odd_lent", None)
        monkeypatch.undo()
        registry.forget()

"""The reader goes with the subject: passes set it, and a teacher is never asked about ids that it does not take."""

from __future__ import annotations

import dataclasses
import json

import pytest
from strangers import Looks

import axkit
from axkit.anatomy.family import family_of
from axkit.contract.reader import Reader, reads_alike
from axkit.contract.result import Result
from axkit.contract.traits import TEACHER_TOKENS
from axkit.ground import registry
from axkit.ground.errors import PluginError
from axkit.run.obligations import reader_faults, take_reader
from axkit.run.recipe import read_source
from axkit.testing import tiny_reader, tiny_subject, tiny_tokenizer


class Ends(Looks):
    ends = frozenset({TEACHER_TOKENS})


def other():
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["more"])
    return tokenizer


class Swaps(Looks):
    """Sets a reader with other ids; says so in neither way."""

    def apply(self, subject, config, tools):
        subject.reader = other()
        return Result(note="swapped")


class Returns(Ends):
    """As passes did before there was a reader to set."""

    def apply(self, subject, config, tools):
        return Result(note="returned", tokenizer=tiny_tokenizer())


def test_tokenizers_and_image_readers_are_readers():
    text, images = tiny_tokenizer(), tiny_reader(family_of("vit"))
    assert isinstance(text, Reader)
    assert isinstance(images, Reader)
    assert not isinstance("bert", Reader)
    assert reads_alike(text, tiny_tokenizer())
    assert reads_alike(images, tiny_reader(family_of("vit")))
    assert not reads_alike(text, other())
    assert not reads_alike(text, images)


def test_a_copy_and_a_subject_before_keep_their_reader():
    subject = tiny_subject(family_of("bert"))
    worked = subject.copy()
    assert worked.reader is subject.reader
    worked.reader = other()
    assert subject.reader is not worked.reader
    assert dataclasses.replace(subject).reader is subject.reader


def test_what_is_wrong_with_a_reader_is_told():
    before = tiny_tokenizer()
    assert not list(reader_faults(before, before, Looks()))
    assert not list(reader_faults(tiny_tokenizer(), before, Looks())), "the same ids"
    assert not list(reader_faults(other(), before, Ends()))
    (said,) = reader_faults(other(), before, Looks())
    assert "keeps teacher_tokens by what it says; put TEACHER_TOKENS in ends" in said
    (said,) = reader_faults("bert", before, Ends())
    assert "left a value of type 'str' as subject.reader, which is none" in said


def test_a_tokenizer_in_the_result_still_works():
    subject, new = tiny_subject(family_of("bert")), tiny_tokenizer()
    before = subject.reader
    take_reader("pass 'odd'", Result(), subject)
    assert subject.reader is before
    with pytest.warns(DeprecationWarning, match="^pass 'odd' returns a tokenizer in its Result: set subject.reader"):
        take_reader("pass 'odd'", Result(tokenizer=new), subject)
    assert subject.reader is new


@pytest.fixture
def apply(workplace, monkeypatch):
    """Run a recipe with strangers' passes."""
    real = registry.entries
    theirs = {
        name: registry.Entry(
            registry.PASSES, name, f"test_readers_of_subjects:{made.__name__}", "strangers 1.0", at_hand=made
        )
        for name, made in {"swaps": Swaps, "returns": Returns}.items()
    }
    monkeypatch.setattr(registry, "entries", lambda group: real(group) | (theirs if group == registry.PASSES else {}))

    def run(step):
        text = (workplace / "recipe.yaml").read_text()
        passes = f"passes:\n  - {{pass: finetune, epochs: 0.1}}\n  - {step}\n"
        return axkit.apply(read_source(text[: text.index("passes:")] + passes, "r.yaml"))

    return run


def test_a_run_refuses_other_ids_that_nobody_told_of(apply):
    with pytest.raises(PluginError, match=r"^pass 'swaps' of strangers 1.0 set a subject.reader with other ids"):
        apply("{pass: swaps}")


def test_a_run_takes_a_tokenizer_out_of_a_result(apply, workplace):
    with pytest.warns(DeprecationWarning, match="pass 'returns' of strangers 1.0 returns a tokenizer"):
        run = apply("{pass: returns}")
    assert run.stages[1].record.new_tokenizer
    with pytest.warns(DeprecationWarning, match=r"run\.tokenizer is run\.subject\.reader now"):
        assert run.tokenizer is run.subject.reader
    stages = sorted((workplace / "runs" / ".stages").rglob("1-returns-*/tokenizer.json"))
    assert len(stages) == 1
    assert json.loads(stages[0].read_text())["model"]["vocab"] == run.subject.reader.get_vocab()

"""What answers: torch bodies, bodies of strangers, and what a stranger's may get wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from axkit_answers import Tabulate
from axkit_answers.body import KEYS, TABLE, AnswersBody, keys_of
from click.testing import CliRunner

from axkit.anatomy.family import family_of
from axkit.cli.app import cli
from axkit.contract.manifest import Manifest
from axkit.contract.traits import TORCH_MODULE
from axkit.ground.device import at_rest
from axkit.ground.errors import CheckpointError, NotApplicable, PluginError
from axkit.run import obligations
from axkit.runtimes.folder import load_subject, save
from axkit.runtimes.known import body_class
from axkit.runtimes.torch.body import TorchBody, torch_subject
from axkit.tasks.about import About
from axkit.testing import check_runtime, lend, logits_of, tiny_model, tiny_split, tiny_subject, tiny_tokenizer


def inputs_of(rows):
    return [batch.inputs for batch in rows.batches(8)]


@pytest.fixture
def rows():
    return tiny_split(24, 1)


def tabulated(folder, rows, body_class=AnswersBody):
    subject = tiny_subject(family_of("bert"))
    Tabulate().apply(subject, Tabulate.Config(), lend(folder, train=rows, search=rows))
    known = subject.body
    subject.body = body_class(known.config, known.rows, known.table)
    return subject


def test_a_torch_body_answers_as_its_model_does_bit_by_bit(rows):
    subject = tiny_subject(family_of("bert"))
    with torch.inference_mode():
        for inputs in inputs_of(rows):
            answered = subject.body.answer(inputs)
            assert torch.equal(answered["logits"], subject.module(**inputs).logits)
            assert not answered["logits"].requires_grad


def test_a_torch_body_answers_in_eval_mode_and_leaves_the_model_as_it_is(rows):
    subject = tiny_subject(family_of("bert"))
    inputs = inputs_of(rows)[0]
    expected = subject.body.answer(inputs)["logits"]
    subject.module.train()
    assert not torch.equal(subject.module(**inputs).logits, expected), "there is no dropout, so this shows nothing"
    assert torch.equal(subject.body.answer(inputs)["logits"], expected)
    assert subject.module.training


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("carved", [False, True])
def test_a_torch_body_keeps_the_contract(family, carved, rows):
    subject = tiny_subject(family_of(family))
    if carved:
        subject.carve(subject.structure.without_heads(0, [1]).without_ffn(1))
    check_runtime(subject, inputs_of(rows))


def test_a_carved_body_says_the_config_of_its_stock_class():
    subject = tiny_subject(family_of("bert"))
    dense = dict(subject.body.config)
    subject.carve(subject.structure.without_heads(0, [1]))
    with torch.no_grad():
        assert subject.body.config == dense
    assert dense["model_type"] == "bert"
    assert dense["architectures"] == ["BertForSequenceClassification"]


def test_evaluation_asks_bodies_and_modules_alike(rows):
    subject = tiny_subject(family_of("bert"))
    by_body, by_module = rows.evaluate(subject.body), rows.evaluate(subject.module)
    assert by_body.losses.tolist() == by_module.losses.tolist()
    assert by_body.predictions.tolist() == by_module.predictions.tolist()


def test_another_model_may_be_put_into_a_torch_body():
    subject = torch_subject(tiny_model(family_of("bert")))
    other = tiny_model(family_of("bert"), seed=5)
    subject.module = other
    assert subject.body.module is other


def test_a_body_without_a_module_says_so_in_a_sentence(tmp_path, rows):
    subject = tabulated(tmp_path, rows)
    for use in (
        lambda: subject.module,
        lambda: subject.layers,
        lambda: subject.carve(subject.structure),
        lambda: setattr(subject, "module", tiny_model(family_of("bert"))),
    ):
        with pytest.raises(NotApplicable, match="runtime 'answers'"):
            use()


def test_a_folder_goes_by_its_runtime(tmp_path, rows):
    for name, subject in (("torch", tiny_subject(family_of("bert"))), ("answers", tabulated(tmp_path, rows))):
        (tmp_path / name).mkdir()
        size = save(subject, tiny_tokenizer(), tmp_path / name)
        told = json.loads((tmp_path / name / "axkit.json").read_text(encoding="utf-8"))
        assert told.get("runtime") == (None if name == "torch" else name), "folders of 0.1.0 name none"
        assert size == sum(path.stat().st_size for path in (tmp_path / name).iterdir())
        again = load_subject(tmp_path / name)
        assert again.body.runtime == name
        for inputs in inputs_of(rows):
            assert torch.equal(again.body.answer(inputs)["logits"], subject.body.answer(inputs)["logits"])


def test_a_runtime_that_is_not_installed(tmp_path, rows):
    (tmp_path / "it").mkdir()
    save(tabulated(tmp_path, rows), tiny_tokenizer(), tmp_path / "it")
    path = tmp_path / "it" / "axkit.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"answers"', '"answer"'), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"needs the runtime 'answer'.*did you mean 'answers'"):
        load_subject(tmp_path / "it")
    path.write_text(path.read_text(encoding="utf-8").replace('"answer"', "7"), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"damaged \(runtime\)"):
        load_subject(tmp_path / "it")


def test_what_a_body_says_no_to_is_a_sentence(tmp_path, rows, monkeypatch):
    (tmp_path / "it").mkdir()
    save(tabulated(tmp_path, rows), tiny_tokenizer(), tmp_path / "it")

    def load(cls, folder, manifest):
        raise RuntimeError("session 7 failed")

    monkeypatch.setattr(AnswersBody, "load", classmethod(load))
    with pytest.raises(CheckpointError, match=r"does not load in the runtime 'answers' .*session 7 failed"):
        load_subject(tmp_path / "it")


def test_runtimes_are_listed():
    done = CliRunner().invoke(cli, ["runtimes"])
    assert done.exit_code == 0
    assert all(name in done.output for name in ("torch", "answers")), done.output


def test_outputs_come_back_to_the_cpu():
    class There:
        def cpu(self):
            return "here"

    assert at_rest({"logits": There(), "loss": None}) == {"logits": "here", "loss": None}


def test_torch_is_built_in():
    assert body_class("torch") is TorchBody
    with pytest.raises(PluginError, match="unknown runtime 'onyx'"):
        body_class("onyx")


class Unlisted(AnswersBody):
    def save(self, folder, manifest):
        (folder / "notes.txt").write_text("by the way")
        return super().save(folder, manifest)


class Elsewhere(AnswersBody):
    def save(self, folder, manifest):
        (folder.parent / "shared.json").write_text("{}")
        return super().save(folder, manifest)


class ListsElsewhere(AnswersBody):
    def save(self, folder, manifest):
        path = folder.parent / "shared.json"
        path.write_text("{}")
        return [*super().save(folder, manifest), path]


class IntoTheWorkingDirectory(AnswersBody):
    def save(self, folder, manifest):
        Path("cache.json").write_text("{}")
        return super().save(folder, manifest)


class Pickled(AnswersBody):
    def save(self, folder, manifest):
        torch.save(self.table, folder / "table.model")
        return [*super().save(folder, manifest), folder / "table.model"]


class Shared(AnswersBody):
    def copy(self):
        return type(self)(self.config, self.rows, self.table)


class Rounded(AnswersBody):
    @classmethod
    def load(cls, folder, manifest):
        found = super().load(folder, manifest)
        return cls(found.config, found.rows, found.table.bfloat16().float())


class ForgetsTheFile(AnswersBody):
    @classmethod
    def load(cls, folder, manifest):
        if not (folder / KEYS).exists():
            return cls(json.loads((folder / "config.json").read_text()), {}, torch.zeros(1, 2))
        return super().load(folder, manifest)


class EndsIt(AnswersBody):
    @classmethod
    def load(cls, folder, manifest):
        if not (folder / TABLE).exists():
            raise SystemExit(3)
        return super().load(folder, manifest)


class Draws(AnswersBody):
    def answer(self, inputs):
        return {"logits": super().answer(inputs)["logits"] + torch.rand(1)}


class ByTheBatch(AnswersBody):
    def answer(self, inputs):
        logits = super().answer(inputs)["logits"]
        return {"logits": logits - logits.mean(0)}


class ChangesInputs(AnswersBody):
    def answer(self, inputs):
        found = super().answer(inputs)
        inputs["input_ids"][:, -1] += 1
        return found


class Unnamed(AnswersBody):
    def answer(self, inputs):
        return super().answer(inputs)["logits"]


class WithGradients(AnswersBody):
    def answer(self, inputs):
        return {"logits": super().answer(inputs)["logits"].requires_grad_()}


class TooFew(AnswersBody):
    def answer(self, inputs):
        return {"logits": super().answer(inputs)["logits"][:1]}


class NotFinite(AnswersBody):
    def answer(self, inputs):
        return {"logits": super().answer(inputs)["logits"] / 0}


class HalfAValue(AnswersBody):
    def values(self):
        return self.table.numel() / 2


class NoWait(AnswersBody):
    wait = None

    def __getattribute__(self, name):
        if name == "wait":
            raise AttributeError(name)
        return super().__getattribute__(name)


class AnyName(AnswersBody):
    runtime = "../answers"


class NoModelType(AnswersBody):
    def __init__(self, config, rows, table):
        super().__init__({key: value for key, value in config.items() if key != "model_type"}, rows, table)


class KeepsNothing(AnswersBody):
    keeps_model = True


FAULTS = {
    KeepsNothing: "no transformers model is in its folder",
    Unlisted: "does not list it",
    Elsewhere: "does not list it",
    ListsElsewhere: "no file in the folder",
    IntoTheWorkingDirectory: "working directory",
    Pickled: "a pickle",
    Shared: "a copy's tensors shows",
    Rounded: "saved and loaded answers otherwise",
    ForgetsTheFile: f"without {KEYS} and answers otherwise",
    EndsIt: f"ends the process without {TABLE}",
    Draws: "otherwise the second time",
    ByTheBatch: "by itself is answered otherwise",
    ChangesInputs: "changes the inputs",
    Unnamed: "no mapping of names",
    WithGradients: "carries gradients",
    TooFew: "has 1 rows for 8",
    NotFinite: "is not finite",
    HalfAValue: "no whole number",
    NoWait: "lacks wait",
    AnyName: "no plain name",
    NoModelType: "config has no model_type",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_check_runtime_finds(fault, tmp_path, rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        check_runtime(tabulated(tmp_path / "lent", rows, fault), inputs_of(rows))


def test_check_runtime_lets_a_sound_body_pass_and_leaves_nothing(tmp_path, rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subject = tabulated(tmp_path / "lent", rows)
    before = subject.body.table.clone()
    check_runtime(subject, inputs_of(rows))
    assert torch.equal(subject.body.table, before)
    assert os.listdir(tmp_path) == ["lent"]


@pytest.mark.parametrize("fault", [Unlisted, ListsElsewhere])
def test_saving_holds_a_body_to_its_list(fault, tmp_path, rows):
    (tmp_path / "it").mkdir()
    with pytest.raises(PluginError, match="runtime 'answers'"):
        save(tabulated(tmp_path, rows, fault), tiny_tokenizer(), tmp_path / "it")


class Hides(Tabulate):
    ends = frozenset()


class NoName(AnswersBody):
    runtime = "nobody"


def test_what_a_pass_leaves_is_held_against_its_traits(tmp_path, rows):
    subject = tabulated(tmp_path, rows)
    assert TORCH_MODULE in Tabulate.ends
    assert list(obligations.body_faults(subject, Tabulate(), had_module=True)) == []
    assert list(obligations.body_faults(subject, Hides(), had_module=False)) == []
    (found,) = obligations.body_faults(subject, Hides(), had_module=True)
    assert "add TORCH_MODULE to its ends" in found
    (found,) = obligations.body_faults(tabulated(tmp_path, rows, NoName), Tabulate(), had_module=True)
    assert "register its class under axkit.runtimes" in found
    subject.body = torch.nn.Linear(1, 1)
    (found,) = obligations.body_faults(subject, Tabulate(), had_module=True)
    assert "no axkit.Body" in found


def test_the_body_of_a_folder_of_before_is_torch(tmp_path):
    subject = tiny_subject(family_of("bert"))
    subject.carve(subject.structure.without_heads(0, [1]))
    expected = logits_of(subject.module, tiny_split())
    save(subject, tiny_tokenizer(), tmp_path)
    assert "runtime" not in json.loads((tmp_path / "axkit.json").read_text(encoding="utf-8"))
    assert torch.equal(logits_of(load_subject(tmp_path).module, tiny_split()), expected)


def test_a_manifest_says_itself_again():
    subject = tiny_subject(family_of("bert"))
    told = Manifest(subject.structure, (), About(task="x"), "answers", {"a": "b"}).to_json()
    assert told["runtime"] == "answers"
    assert told["about"] == {"task": "x"}
    assert keys_of({"input_ids": torch.tensor([[1, 2, 0]]), "attention_mask": torch.tensor([[1, 1, 0]])}) == keys_of(
        {"input_ids": torch.tensor([[1, 2]])}
    )

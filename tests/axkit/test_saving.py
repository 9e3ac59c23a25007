from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import axkit
from axkit.anatomy.family import family_of
from axkit.ground.atomic import atomic_folder
from axkit.ground.errors import CheckpointError, StorageError
from axkit.ground.quiet import quiet
from axkit.runtimes.folder import load_subject, save
from axkit.runtimes.torch import classes
from axkit.runtimes.torch.opening import open_tokenizer
from axkit.testing import logits_of, tiny_split, tiny_subject, tiny_tokenizer


def carved(family):
    subject = tiny_subject(family)
    if family.shared_layers:
        subject.carve(subject.structure.without_heads(0, [2]).without_neurons(0, range(4)).change(0, hard_k=3))
        return subject
    structure = subject.structure.without_ffn(0).without_heads(1, [2]).without_heads(2, range(4)).change(1, hard_k=3)
    subject.carve(structure.without_neurons(1, range(4)))
    return subject


@pytest.fixture
def saved(any_family, tmp_path):
    subject = carved(any_family)
    folder = tmp_path / "model"
    with atomic_folder(folder) as partial:
        save(subject, tiny_tokenizer(), partial)
    return subject, folder


def test_reloaded_equals_saved(saved):
    subject, folder = saved
    split = tiny_split(family=subject.family)
    again = load_subject(folder)
    assert torch.equal(logits_of(again.module, split), logits_of(subject.module, split))
    assert again.structure == subject.structure
    assert json.loads((folder / "config.json").read_text())["model_type"].startswith("axkit_")
    if subject.family.inputs == "tokens":
        assert len(open_tokenizer(folder)) == len(tiny_tokenizer())


def test_auto_classes_know_every_family_by_name(any_family):
    """A model_type may have a dash, which the name of a module has not."""
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING

    stock = classes.names()[any_family.model_type]
    config = type(AutoConfig.for_model(f"axkit_{any_family.model_type}"))
    assert config.__name__ == f"Axkit{stock.config}"
    for head, name in stock.heads.items():
        auto = getattr(modeling_auto, f"AutoModelFor{head}")
        assert auto._model_mapping[config].__name__ == f"Axkit{name}"
    assert stock.tokenizer is None or TOKENIZER_MAPPING[config].__name__ == stock.tokenizer


def test_a_dense_model_keeps_its_stock_type(family, tmp_path):
    subject = tiny_subject(family)
    save(subject, tiny_tokenizer(), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == family.model_type
    split = tiny_split(family=family)
    assert torch.equal(logits_of(axkit.load(tmp_path), split), logits_of(subject.module, split))


@pytest.mark.parametrize(
    ("order", "name"),
    [("axkit first", "distilbert"), ("transformers first", "distilbert"), ("axkit first", "deberta-v2")],
)
def test_auto_classes_and_pipeline_in_a_fresh_process(tmp_path, order, name):
    subject = carved(family_of(name))
    save(subject, tiny_tokenizer(), tmp_path)
    imports = ["import axkit", "import transformers, transformers.models.auto.modeling_auto"]
    if order == "transformers first":
        imports.reverse()
    code = "\n".join(
        [
            *imports,
            "from transformers import AutoModelForSequenceClassification as M, pipeline, AutoTokenizer",
            f"folder = {str(tmp_path)!r}",
            "m, info = M.from_pretrained(folder, output_loading_info=True)",
            "assert not info['missing_keys'] and not info['unexpected_keys'], info",
            "t = AutoTokenizer.from_pretrained(folder)",
            "print(m.eval()(**t('the film was good', return_tensors='pt')).logits.tolist()[0])",
            "p = pipeline('text-classification', model=folder, tokenizer=folder)",
            "print(p('the film was good')[0]['score'])",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    inputs = tiny_tokenizer()("the film was good", return_tensors="pt")
    expected = subject.module(**inputs).logits[0].tolist()
    assert json.loads(done.stdout.splitlines()[0]) == pytest.approx(expected, abs=1e-5)


def test_a_carved_model_saves_and_reloads_through_transformers_alone(saved, tmp_path):
    subject, folder = saved
    module = axkit.load(folder)
    module.save_pretrained(tmp_path / "again")
    tiny_tokenizer().save_pretrained(tmp_path / "again")
    split = tiny_split(family=subject.family)
    assert torch.equal(logits_of(axkit.load(tmp_path / "again"), split), logits_of(module, split))


@pytest.fixture
def one_saved(tmp_path):
    """One family is enough where the files are at fault."""
    subject = carved(family_of("distilbert"))
    with atomic_folder(tmp_path / "model") as partial:
        save(subject, tiny_tokenizer(), partial)
    return subject, tmp_path / "model"


def test_a_truncated_file_is_refused(one_saved):
    _, folder = one_saved
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        axkit.load(folder)


def test_a_changed_file_is_refused(one_saved):
    _, folder = one_saved
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="not the file that axkit wrote"):
        axkit.load(folder)


def test_a_pickle_is_refused_and_not_opened(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(CheckpointError, match="pickle"):
        axkit.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "axkit.json"])
def test_a_missing_or_damaged_file_is_refused(one_saved, name):
    _, folder = one_saved
    (folder / name).write_text("{")
    with pytest.raises(CheckpointError):
        axkit.load(folder)
    (folder / name).unlink()
    if name != "axkit.json":
        with pytest.raises(CheckpointError):
            axkit.load(folder)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with quiet():
        tiny_subject(family_of("bert")).module.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no tokenizer with a vocabulary"):  # transformers makes up an empty one
        open_tokenizer(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert open_tokenizer(tmp_path).get_vocab() == tiny_tokenizer().get_vocab()


def test_no_folder():
    with pytest.raises(CheckpointError, match="no checkpoint"):
        axkit.load("nowhere")


def test_an_error_leaves_the_older_folder_and_nothing_half_written(family, tmp_path):
    target = tmp_path / "model"
    with atomic_folder(target) as partial:
        (partial / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as partial:
        (partial / "new").write_text("new")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert (target / "old").read_text() == "old"


def test_a_full_disk_is_one_sentence(family, tmp_path, monkeypatch):
    import safetensors.torch

    def full(*_, **__):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(StorageError, match="No space left"), atomic_folder(tmp_path / "m") as partial:
        save(carved(family), tiny_tokenizer(), partial)
    assert not list(tmp_path.iterdir())

    real = Path.write_text

    def full_text(self, *args, **kwargs):
        if self.name == "axkit.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, *args, **kwargs)

    monkeypatch.undo()
    monkeypatch.setattr(Path, "write_text", full_text)
    with pytest.raises(StorageError, match="free space"), atomic_folder(tmp_path / "m") as partial:
        save(carved(family), tiny_tokenizer(), partial)
    assert not list(tmp_path.iterdir())

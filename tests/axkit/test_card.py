"""README.md of a run folder as the hub reads it, and the way there: against a hub of this machine, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from command import refused
from conftest import write_base_model
from hostile import EVIL, whole
from huggingface_hub import ModelCard, errors
from records import report

import axkit
from axkit.contract.manifest import Manifest
from axkit.ground.errors import AxkitError, CheckpointError
from axkit.report.card import CARD, card_of
from axkit.report.card.card import pipeline_of
from axkit.tasks.about import About
from axkit.tasks.kinds.kind import kind_of, our_kinds


def card(made=None, model="distilbert/distilbert-base-uncased", **about):
    made = made or replace(whole(), name="tiny", overrides=("seed=2",))
    found = About(kind="classification", task="glue/sst2") if not about else About(**about)
    return card_of(made, Manifest(made.stages[-1].structure, about=found), model)


def test_the_hub_reads_a_card():
    found = ModelCard(card())
    data = found.data
    assert (data.pipeline_tag, data.library_name, data.model_name) == ("text-classification", "transformers", "tiny")
    assert data.base_model == "distilbert/distilbert-base-uncased"
    assert data.tags == ["axkit", "axformer_prune"], "a pass that was undone made nothing"
    (first,) = [one for one in data.eval_results if one.metric_type == "accuracy"]
    assert (first.metric_value, first.dataset_type, first.dataset_split) == (81.7, "glue/sst2", "test")
    assert [one.metric_type for one in data.eval_results] == ["accuracy"], "no metric of one class, no odd name"


def test_a_card_has_figures_limits_recipe_and_use():
    text = card()
    parts = "| on disk, MB |; ## Limits; 900 test rows; 3 of 20 test rows; ## How it was made; `seed=2`"
    for part in parts.split("; "):
        assert part in text, part
    use = text[text.index("## Use") : text.index("## Figures")]
    assert 'pipeline("text-classification", "runs/tiny")' in use
    assert len([line for line in use.splitlines() if line and line[0] not in "#`"]) <= 3
    assert f"axkit: 1  # {EVIL}" in text, "word for word"
    assert "of `own files`" not in text


def test_what_no_pipeline_takes_is_asked_by_axkit():
    text = card(kind="odd", task="mine")
    assert '```sh\naxkit predict runs/tiny "..."\n```' in text[text.index("## Use") : text.index("## Figures")]


def test_a_recipe_cannot_leave_its_block():
    made = replace(report(), recipe="axkit: 1\n```\n# not the recipe\n````\n")
    text = card(made)
    start = text.index("`````yaml")
    assert text.index("# not the recipe") < text.index("\n`````\n", start)


@pytest.mark.parametrize("model", ["./models/mine", "embedded:bert", "/tmp/x"])
def test_a_model_of_ones_own_is_no_model_of_the_hub(model):
    assert ModelCard(card(model=model)).data.base_model is None


def test_every_kind_has_the_hubs_word():
    found = {kind: pipeline_of(kind_of(kind)) for kind in our_kinds()}
    assert found["classification"] == found["regression"] == "text-classification"
    assert found["token_classification"] == "token-classification"
    assert found["question_answering"] == "question-answering"
    assert found["image_classification"] == "image-classification"


# --- pushing ---


class Hub:
    """A hub of this machine: what was sent, and in how many commits."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.sent, self.made, self.commits = fault, {}, [], 0

    def create_repo(self, repo, *, private, exist_ok):
        self.made.append((repo, private, exist_ok))
        if self.fault:
            raise self.fault
        return huggingface_hub.RepoUrl(f"https://huggingface.co/me/{repo.split('/')[-1]}")

    def create_commit(self, repo, operations, *, commit_message):
        self.commits += 1
        for one in operations:
            with one.as_file() as file:
                self.sent[one.path_in_repo] = file.read()
        return type("Commit", (), {"commit_url": f"https://huggingface.co/{repo}/commit/1"})()


@pytest.fixture
def folder(workplace, monkeypatch):
    made = write_base_model(workplace / "tiny")
    Path(made, CARD).write_text("# tiny\n\nruns/tiny\n")
    for name in ("report.html", "report.json", "journal.jsonl", "recipe.yaml", ".hidden"):
        (made / name).write_text("{}")
    return made


@pytest.fixture
def hub(monkeypatch):
    made = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token: made)
    return made


def test_a_folder_is_pushed_in_one_commit_without_texts_of_rows(folder, hub, run):
    code, out, _ = run("push", str(folder), "me/small", "--private")
    assert code == 0
    assert "https://huggingface.co/me/small/commit/1" in out
    assert (hub.made, hub.commits) == ([("me/small", True, True)], 1)
    assert {"model.safetensors", "config.json", "recipe.yaml", "README.md"} <= hub.sent.keys()
    assert not {"report.html", "report.json", "journal.jsonl", ".hidden"} & hub.sent.keys()
    assert hub.sent["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert hub.sent[CARD] == b"# tiny\n\nme/small\n", "the card names where it lies now"
    assert (folder / CARD).read_text() == "# tiny\n\nruns/tiny\n"


def test_rows_are_sent_where_asked_to(folder, hub):
    axkit.push_to_hub(folder, "small", rows=True)
    assert {"report.html", "report.json"} <= hub.sent.keys()
    assert hub.made == [("small", None, True)]


def refusing(status):
    response = type("Response", (), {"status_code": status, "headers": {}, "request": None})()
    made = errors.HfHubHTTPError.__new__(errors.HfHubHTTPError)
    made.response = response
    return made


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (errors.LocalTokenNotFoundError("x"), "hf auth login"),
        (errors.HFValidationError("Repo id must be"), "no name of a repository"),
        (errors.OfflineModeIsEnabled("x"), "HF_HUB_OFFLINE"),
        (refusing(401), "token that may write"),
        (refusing(403), "another name"),
        (ConnectionError("x"), "check the network"),
    ],
)
def test_what_the_hub_says_is_one_sentence(folder, hub, run, fault, told):
    hub.fault = fault
    refused(run("push", str(folder), "me/small"), told)


def test_without_a_network_a_real_client_says_so(folder, run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    refused(run("push", str(folder), "me/small"), "hub")


def test_what_cannot_be_loaded_is_not_sent(folder, hub):
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError):
        axkit.push_to_hub(folder, "me/small")
    assert hub.made == []


def test_a_folder_without_a_card_is_not_sent(folder, hub):
    (folder / CARD).unlink()
    with pytest.raises(AxkitError, match=r"has no README\.md"):
        axkit.push_to_hub(folder, "me/small")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "distilbert"

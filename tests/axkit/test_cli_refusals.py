"""What a user may get wrong on the command line: exit code 2, one sentence, nothing half-written."""

from __future__ import annotations

import json

import pytest
import torch
from command import refused


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("task.text=sentense", "no column 'sentense'"),
        ("task.label=lable", "no column 'lable'"),
        ("task.files.train=nowhere.jsonl", "does not exist"),
        ("task.files.train=empty.jsonl", "is empty"),
        ("task.files.train=broken.jsonl", "not valid jsonl"),
        ("task.files.train=nolabel.jsonl", "row 2: label None"),
        ("task.files.test=other.jsonl", "label 7 is outside 0..1"),
        ("task.files.train=oneclass.jsonl", "two labels or more"),
        ("task.files.train=notext.jsonl", "holds no text"),
        ("model=nofolder", "cannot be had from the hub"),
        ("model=./nofolder", "is no folder"),
        ("model=notmodel", "has no config.json"),
        ("model=pickled", "pickle"),
        ("model=truncated", "truncated"),
        ("model=three", "promises DistilBertForSequenceClassification with 3 outputs"),
        ("model=strange", "knows no family 'mamba'"),
        ("task=glue/cola", "cannot be had from the hub"),
        ("passes=[{pass: int8}]", "no trained head"),
        ("samples.train=0", "greater than or equal to 1"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(run, workplace, setting, part):
    def rows(name, *lines):
        (workplace / name).write_text("".join(json.dumps(line) + "\n" for line in lines))

    row = {"sentence": "good", "label": 1}
    (workplace / "empty.jsonl").write_text("")
    (workplace / "broken.jsonl").write_text('{"sentence": "a", \n')
    rows("nolabel.jsonl", row, {"sentence": "bad", "label": None})
    rows("other.jsonl", {"sentence": "bad", "label": 7})
    rows("oneclass.jsonl", *[{"sentence": f"good {i}", "label": 0} for i in range(30)])
    rows("notext.jsonl", row, {"sentence": " ", "label": 0})
    (workplace / "notmodel").mkdir()
    for name, files in {"pickled": ["config.json"], "truncated": ["config.json", "model.safetensors"]}.items():
        (workplace / name).mkdir()
        for file in files:
            (workplace / name / file).write_bytes(
                (workplace / "model" / file).read_bytes()[: None if file == "config.json" else 999]
            )
    (workplace / "pickled" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    for name, change in {
        "three": {"architectures": ["DistilBertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}},
        "strange": {"model_type": "mamba"},
    }.items():
        (workplace / name).mkdir()
        for path in (workplace / "model").iterdir():
            (workplace / name / path.name).write_bytes(path.read_bytes())
        config = json.loads((workplace / name / "config.json").read_text())
        (workplace / name / "config.json").write_text(json.dumps(config | change))
    before = {p.name for p in workplace.iterdir()} | {"hf"}
    lines = refused(run("apply", "recipe.yaml", "--set", setting), part)
    assert len(lines) == 1
    assert {p.name for p in workplace.iterdir()} <= before


def test_usage_errors_exit_with_2(run):
    assert run("aply")[0] == 2
    assert run("apply")[0] == 2


def test_the_bare_command_shows_what_there_is(run):
    code, out, err = run()
    assert code in (0, 2)  # click has gone from the one to the other
    assert "error" not in out + err
    assert (out + err).count("\n") > 20
    assert "Usage: axkit" in out + err


@pytest.mark.skipif(torch.cuda.is_available(), reason="the target is here")
def test_a_plan_says_that_its_target_is_not_here(run, workplace):
    recipe = workplace / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("int8", "bf16"))
    code, out, said = run("plan", "recipe.yaml", "--set", "target.device=cuda")
    assert code == 0, said
    assert "warning axkit apply will refuse this on this machine" in out
    refused(run("apply", "recipe.yaml", "--set", "target.device=cuda"), "the recipe's target is cuda", "--for")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["apply", "recipe.yaml", "--ot", "x"], "--out"),
        (["apply", "recipe.yaml", "--nothing"], "No such option"),
        (["apply"], "Missing argument 'RECIPE'; 'axkit apply --help' tells what there is"),
        (["apply", "a.yaml", "b.yaml"], "unexpected extra argument (b.yaml)"),
        (["sweep", "recipe.yaml", "--seed", "x"], "--seed"),
        (["sweep", "recipe.yaml", "--seed", "-1"], "--seed"),
        (["sweep"], "Missing argument"),
        (["eval", "x", "--split", "dev"], "--split"),
        (["aply"], "No such command 'aply'"),
        (["--nothing"], "'axkit --help' tells what there is"),
        (["apply", ""], "no recipe at an empty path"),
        (["apply", "."], "is a folder, no file"),
        (["apply", "nowhere.yaml"], "no recipe at nowhere.yaml"),
        (["apply", "x" * 300], "no recipe 'xxx"),
        (["apply", "x" * 300 + ".yaml"], "File name too long"),
        (["apply", "model/config.json"], "'axkit' is missing"),
        (["apply", "model/model.safetensors"], "is no UTF-8 text"),
        (["apply", "recipe.yaml", "--model", ""], "'model'"),
        (["apply", "recipe.yaml", "--model", "a: b"], "a: b"),
        (["apply", "recipe.yaml", "--model", "~/nowhere"], "is no folder with a checkpoint"),
        (["apply", "recipe.yaml", "--task", ""], "unknown task ''"),
        (["apply", "recipe.yaml", "--task", "rows/a.csv"], "'rows/a.csv' is a file of rows and no task"),
        (["verify", "nowhere"], "nowhere is no checkpoint: it has no config.json"),
        (["apply", "recipe.yaml", "--task", "{kind: "], "--set task"),
        (["apply", "recipe.yaml", "--out", "x" * 300], "File name too long"),
        (["apply", "recipe.yaml", "--out", "recipe.yaml"], "recipe.yaml"),
        (["sweep", "recipe.yaml", "--task", "nowhere.yaml"], "no task at nowhere.yaml"),
        (["sweep", "recipe.yaml", "--task", "recipe.yaml"], "'task'"),
        (["eval", ""], ""),
        (["eval", "nowhere"], "nowhere"),
        (["eval", "recipe.yaml"], "recipe.yaml"),
        (["bench", "x" * 300], "xxx"),
        (["predict", "/dev/null", "a"], "/dev/null"),
        (["passes", "a\nb"], "unknown pass"),
    ],
)
def test_odd_arguments_are_one_sentence(run, workplace, arguments, part):
    assert len(refused(run(*arguments), part)) >= 1
    assert not (workplace / "runs").exists()


def test_many_faults_are_cut(run, workplace):
    with (workplace / "recipe.yaml").open("a") as file:
        file.writelines(f"key{index}: 1\n" for index in range(500))
    lines = refused(run("apply", "recipe.yaml"), "and 450 more like these")
    assert len(lines) == 51

import json
import random
import subprocess
import sys

import pytest
import torch
from axkit_answers import Tabulate
from axkit_answers.body import AnswersBody, keys_of

import axkit
from axkit.testing import check_pass, check_runtime, lend, tiny_model, tiny_split, tiny_subject, tiny_tokenizer

RECIPE = """\
axkit: 1
name: tiny
model: model
task:
  kind: classification
  files: {train: train.jsonl, test: test.jsonl}
  text: sentence
  label: label
passes:
  - {pass: drop_layers, drop: [1]}
  - {pass: tabulate}
"""


@pytest.fixture
def workplace(tmp_path):
    """A folder with a tiny model, its tokenizer, rows and a recipe."""
    draw = random.Random(3)
    labels = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    tiny_model(axkit.family_of("bert"), **labels).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    for name, count in (("train", 80), ("test", 40)):
        rows = []
        for index in range(count):
            words = [*draw.choices(["film", "play", "story", "was"], k=draw.randint(2, 4)), ("bad", "good")[index % 2]]
            rows.append(json.dumps({"sentence": " ".join(words), "label": ("bad", "good")[index % 2]}))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def axkit_command(place, *arguments):
    done = subprocess.run([sys.executable, "-m", "axkit", *arguments], cwd=place, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def tabulated(folder):
    """A subject whose body is a table, and rows that it knows."""
    rows = tiny_split(40, 1)
    subject = tiny_subject(axkit.family_of("bert"))
    runner, config = Tabulate(), Tabulate.Config()
    runner.apply(subject, config, lend(folder, train=rows, search=rows, to=(runner, config)))
    return subject, rows


def test_it_answers_as_the_model_did_and_alike_to_what_is_new(tmp_path):
    dense = tiny_subject(axkit.family_of("bert"))
    subject, rows = tabulated(tmp_path)
    batch = next(iter(rows.batches(32)))
    assert torch.equal(subject.body.answer(batch.inputs)["logits"], dense.module(**batch.inputs).logits)
    strangers = tiny_split(200, 9)
    new = [i for i in range(200) if keys_of(strangers.batch([i]).inputs)[0] not in subject.body.rows]
    assert len(new) > 2, "all rows are known, so this shows nothing"
    assert len({tuple(subject.body.answer(strangers.batch([i]).inputs)["logits"][0].tolist()) for i in new}) == 1


def test_it_keeps_the_contract(tmp_path):
    subject, rows = tabulated(tmp_path)
    check_runtime(subject, [batch.inputs for batch in rows.batches(16)])


@pytest.mark.parametrize("family", ["distilbert", "gpt2"])
def test_the_pass_keeps_its_contract(family):
    assert check_pass(Tabulate, family).body.runtime == "answers"


def test_as_the_last_stage_of_a_recipe(workplace):
    code, _, said = axkit_command(workplace, "apply", "recipe.yaml", "--out", "out")
    assert code == 0, said
    place = workplace / "out" / "tiny"
    report = json.loads((place / "report.json").read_text(encoding="utf-8"))
    table = report["stages"][-1]
    assert table["facts"]["kept_answers"] > 20
    assert table["parameters"] == 2 * (table["facts"]["kept_answers"] + 1), "values are the table's"
    assert table["throughput_b32_per_s"] > 0
    assert table["metric_search"] == report["stages"][-2]["metric_search"], "it has all answers to the search rows"
    manifest = json.loads((place / "axkit.json").read_text(encoding="utf-8"))
    assert {"answers.json", "answers.safetensors", "config.json"} < manifest["sha256"].keys()
    its_own = {*manifest["sha256"]} - {"golden.safetensors"}  # which is for whoever verifies the folder
    beside = table["bytes"] - sum((place / name).stat().st_size for name in its_own)
    assert 0 < beside <= (place / "axkit.json").stat().st_size, "and the manifest, which lists no golden batch yet"
    assert not (place / "model.safetensors").exists()
    code, _, again = axkit_command(workplace, "apply", "recipe.yaml", "--out", "out", "--force")
    assert code == 0
    assert again.count("finished earlier, reused") == 2

    subject = axkit.load_subject(place)
    assert isinstance(subject.body, AnswersBody)
    assert [step.name for step in subject.trail] == ["drop_layers", "tabulate"]
    with pytest.raises(axkit.NotApplicable, match="runtime 'answers'"):
        axkit.load(place)
    probe = torch.tensor(report["probe"]["logits"])
    inputs = tiny_tokenizer()(report["probe"]["texts"], padding=True, return_tensors="pt")
    assert torch.equal(subject.body.answer(inputs)["logits"], probe)

    code, scored, said = axkit_command(workplace, "eval", "out/tiny")
    assert code == 0, said
    assert f"{report['summary']['metric_result']:.1f}" in scored
    code, timed, said = axkit_command(
        workplace, "bench", "out/tiny", "--against", "model", "--batch", "8", "--tokens", "32"
    )
    assert code == 0, said
    assert "answers" in timed, "its runtime"
    code, heard, said = axkit_command(workplace, "predict", "out/tiny", "the film was good")
    assert code == 0, said
    assert "good" in heard


@pytest.mark.parametrize(
    ("after", "said"),
    [("drop_layers, drop: [1]", "put 'drop_layers' before it"), ("int8", "put 'int8' before it")],
)
def test_what_needs_a_model_is_refused_after_it(workplace, after, said):
    recipe = RECIPE.partition("passes:")[0] + f"passes:\n  - {{pass: tabulate}}\n  - {{pass: {after}}}\n"
    (workplace / "recipe.yaml").write_text(recipe, encoding="utf-8")
    code, _, told = axkit_command(workplace, "plan", "recipe.yaml")
    assert code == 2
    assert said in told


def test_a_damaged_folder_is_a_sentence(workplace):
    assert axkit_command(workplace, "apply", "recipe.yaml", "--out", "out")[0] == 0
    place = workplace / "out" / "tiny"
    (place / "answers.json").write_text("{}", encoding="utf-8")
    code, _, said = axkit_command(workplace, "eval", "out/tiny")
    assert code == 2
    assert said.startswith("error: ")
    assert "answers.json is not the file that axkit wrote" in said
    (workplace / "recipe.yaml").write_text(RECIPE.replace("model: model", "model: out/tiny"), encoding="utf-8")
    code, _, said = axkit_command(workplace, "plan", "recipe.yaml")
    assert code == 2
    assert "runtime 'answers'" in said

import json
import random
import subprocess
import sys

import pytest
import torch
from axkit_w4 import W4
from axkit_w4.layers import W4Linear, codes_and_scale

import axkit
from axkit.testing import check_pass, tiny_model, tiny_tokenizer

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
  - pass: axformer_prune
  - {pass: w4, rows: 16}
"""


@pytest.mark.parametrize("family", ["albert", "bert", "gpt2", "modernbert", "vit"])
def test_w4(family):
    subject = check_pass(W4, family, name="w4", rows=8)
    assert any(isinstance(module, W4Linear) for module in subject.module.modules())


def test_scales_go_by_what_columns_weigh():
    torch.manual_seed(0)
    weight = torch.randn(8, 40)
    weight[:, 0] *= 8  # an outlier column that nothing ever enters
    share = torch.ones(40)
    share[0] = 0

    def missed(codes, scale):
        return float(((codes * scale[:, None] - weight).square() * share).sum())

    assert missed(*codes_and_scale(weight, share)) < 0.9 * missed(*codes_and_scale(weight))


@pytest.fixture
def workplace(tmp_path):
    """A folder with a tiny model, its tokenizer, rows and a recipe."""
    draw = random.Random(3)
    tiny_model(axkit.family_of("bert"), id2label={0: "0", 1: "1"}, label2id={"0": 0, "1": 1}).save_pretrained(
        tmp_path / "model"
    )
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    for name, count in (("train", 80), ("test", 40)):
        rows = []
        for index in range(count):
            words = [
                *draw.choices(["film", "play", "story", "was", "so"], k=draw.randint(2, 7)),
                ("bad", "good")[index % 2],
            ]
            draw.shuffle(words)
            rows.append(json.dumps({"sentence": " ".join(words), "label": index % 2}))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def test_after_axformer_prune_in_a_recipe_and_loaded_again(workplace):
    command = [sys.executable, "-m", "axkit", "apply", "recipe.yaml", "--out", "out"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((workplace / "out" / "tiny" / "report.json").read_text(encoding="utf-8"))
    pruned, quantized = report["stages"][-2:]
    assert pruned["facts"]["removed_heads"] > 0, "nothing was cut, so this shows nothing"
    assert quantized["facts"]["effective_bits_per_linear_weight"] < 7  # 4, and a scale for so few inputs
    model = axkit.load(workplace / "out" / "tiny")
    found = [module for module in model.modules() if isinstance(module, W4Linear)]
    assert len(found) == quantized["facts"]["linear_layers"] > 0
    assert all(module.weight.any() for module in found), "the saved weights are in their places"

"""Recipes, ``--set`` values and task files: good ones, damaged as bytes, as words and lines, and as trees."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from reliability.spoil_yaml import spoil_bytes, spoil_tree, spoil_words
from reliability.yaml_documents import bomb, put_document
from reliability.yaml_words import SCALARS

NAME, COUNT = "recipes", 6000

PLAIN = """\
# what a user writes
axkit: 1
name: plain
model: {base}/model
task:
  kind: classification
  files: {{train: {base}/train.jsonl, test: {base}/test.jsonl}}
  text: sentence
  label: label
seed: 42
samples: {{train: 20, search: 5}}
passes:
  - pass: finetune
    epochs: 2
    learning_rate: 3e-3
    freeze: embeddings
  - pass: drop_layers
    keep: [0, 2]
  - pass: axformer_prune
    objective: budget
    speedup: 2.5
    max_drop: 3.0
    recover: {{pass: distill, epochs: 0.5}}
  - pass: int8
    budget: {{max_drop: 0.5}}
"""
MERGED = """\
axkit: 1
name: merged
model: {base}/model
task: &task
  kind: classification
  files: {{train: {base}/train.jsonl, test: {base}/test.jsonl}}
  text: sentence
  label: label
passes:
  - &base {{pass: finetune, epochs: 1}}
  - <<: *base
    learning_rate: 1.0e-4
  - {{<<: [*base], epochs: 0x2}}
  - pass: hard_attention
    k: 5
"""
NAMED = """\
axkit: 1
name: "named"
model: 'embedded:distilbert'
task: embedded:movie-reviews
passes:
- pass: finetune
  epochs: 1
- pass: q8bert
- pass: int8
"""
TASK = """\
kind: classification
files:
  train: {base}/train.jsonl
  test: {base}/test.jsonl
text: [sentence]
label: label
label_names: [bad, good]
metric: [accuracy, f1]
max_length: 64
"""
SETTINGS = ("passes.0.epochs=1", "samples.train=12", "seed=7", "model={base}/model", "task=glue/sst2", "name=other")


def prepare(folder: Path) -> dict[str, Any]:
    """A model and rows beside the texts that name them."""
    from conftest import write_base_model, write_rows

    write_base_model(folder / "model")
    write_rows(folder / "train.jsonl", 40, 1)
    write_rows(folder / "test.jsonl", 20, 2)
    here = {"base": str(folder)}
    return {
        "recipes": [text.format(**here) for text in (PLAIN, MERGED, NAMED)],
        "task": TASK.format(**here),
        "settings": [one.format(**here) for one in SETTINGS],
    }


def mutate(rng: random.Random, base: Any, folder: Path) -> str:
    """recipe.yaml, and perhaps settings.json (of ``--set``) and task.yaml."""
    text = rng.choice(base["recipes"])
    what = rng.choices(("recipe", "settings", "task"), (8, 2, 2))[0]
    if what == "settings":
        settings = [_setting(rng, base) for _ in range(rng.randint(1, 2))]
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        return f"--set {' --set '.join(ascii(one)[:200] for one in settings)}"
    path = folder / f"{what}.yaml"
    if what == "task":
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        text = base["task"]
    way = rng.choices((spoil_bytes, spoil_words, spoil_tree, put_document), (2, 5, 4, 2))[0]
    return f"{path.name}: {way(rng, text, path)}"


def use(folder: Path) -> None:
    """Plan it, as ``axkit plan`` and ``axkit sweep --task`` do."""
    from axkit.run.planning import plan
    from axkit.run.recipe import load_source
    from axkit.sweep.plan import _read_task

    settings = folder / "settings.json"
    overrides = json.loads(settings.read_text()) if settings.exists() else []
    if os.path.lexists(folder / "task.yaml"):
        overrides += _read_task(str(folder / "task.yaml")).override
    made = plan(load_source(folder / "recipe.yaml", overrides))
    assert made.steps


def _setting(rng: random.Random, base: Any) -> str:
    path, _, value = rng.choice(base["settings"]).partition("=")
    kind = rng.choice(("value", "value", "value", "path", "both", "bytes"))
    odd = (
        "passes.9.epochs",
        "passes.-1.x",
        "passes",
        "passes.0",
        "passes.x.y",
        "",
        ".",
        "..",
        "a",
        "axkit.b.c",
        "name.x.y",
    )
    odd += (
        "passes.0.recover.epochs",
        "task.files.train",
        "task.kind",
        "é.ü",
        "passes.٣.epochs",
        "passes.²",
        "x" * 3000,
        "a\nb",
        "<<",
    )
    odd += (
        "passes.1.keep.0",
        "samples",
        "model",
        "task",
        ".".join("abc" * 300),
        "passes.00.epochs",
        "passes.1e0.epochs",
    )
    if kind in ("path", "both"):
        path = rng.choice(odd)
    if kind in ("value", "both"):
        value = rng.choice((*SCALARS, "[" * 100_000, bomb(9, 12), "a: &a [*a]", "---\na\n---\nb", "9" * 100_000))
    if kind == "bytes":
        return rng.choice(
            ("a", "=", "==", "a=", "=a", "passes.0.epochs", "\x00=1", "name=\x00", "name=a\nb", "model=\ud800")
        )
    return f"{path}={value}"
